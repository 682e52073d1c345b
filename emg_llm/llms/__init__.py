"""Language models that read EMG: registry, nano models, label scoring, chat, fine-tuning."""
