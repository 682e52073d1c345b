"""What can be asked about EMG and about the model: no recording is needed for the answers."""

from collections.abc import Iterator, Sequence

from emg_llm.chat.topics import Topic, choice
from emg_llm.signal.recording import EMOTIONS


def general_topics(labels: Sequence[str] = EMOTIONS) -> Iterator[Topic]:
    """What can be asked about EMG and about the model: no recording is needed for the answer."""
    names = ", ".join(labels[:-1]) + f" and {labels[-1]}"
    for ask, answers in GENERAL:
        yield ask, choice(*answers)
    yield (
        ("Which emotions do you know?", "What can you recognise?"),
        choice(f"I choose among {names}."),
    )


# Questions about EMG in general: ways to ask, ways to answer.
GENERAL = (
    (
        ("What is EMG?", "What does EMG mean?"),
        (
            "Electromyography, EMG, measures the small voltages that muscles make when they "
            "contract. Surface EMG picks them up with electrodes on the skin.",
        ),
    ),
    (
        ("What does RMS mean?", "What is RMS?", "Explain RMS."),
        (
            "RMS is the root mean square of the signal: the usual measure of how strongly a "
            "muscle is active, in microvolts.",
        ),
    ),
    (
        ("What is mean frequency?", "What does the mean frequency tell?"),
        (
            "The mean frequency is the centre of the power spectrum in hertz. It falls when a "
            "muscle tires.",
        ),
    ),
    (
        ("What is variance?", "What does variance mean?"),
        ("Variance is the mean squared distance from the mean: the power of the signal.",),
    ),
    (
        ("What does SNR mean?", "What is SNR?", "Explain the signal-to-noise ratio."),
        (
            "SNR is the signal-to-noise ratio in decibels: the power of the activity over the "
            "noise floor. More than ten is good.",
        ),
    ),
    (
        ("What does dB mean?", "What is a decibel?"),
        ("A decibel tells a ratio of powers: ten decibels are ten times the power.",),
    ),
    (
        ("What does a level mean?", "What do the numbers mean?", "What is +5?"),
        (
            "A level tells how strong a site is against a typical recording, in decibels: zero is "
            "typical, more is stronger, less is weaker.",
        ),
    ),
    (
        ("What are the codes?", "What are these tokens?", "What does the token mean?"),
        (
            "The codes are numbers of an encoder that read the signal: a codebook turns what it "
            "found into a few tokens, from coarse to fine.",
        ),
    ),
    (
        ("How reliable are you?", "How often are you right?", "Can you be wrong?"),
        (
            "I can be wrong. The table of results tells how often each model is right; people "
            "differ a lot in how they move their faces.",
        ),
    ),
    (
        (
            *("Can you diagnose depression?", "Is this person ill?", "Is this a diagnosis?"),
            *(
                "Is it Parkinson's disease?",
                "Should I take medicine?",
                "Does this person have ALS?",
            ),
        ),
        (
            "No. This is no medical device and I can't diagnose anything; please ask a clinician.",
            "I can't tell that. EMG shows muscle activity only, and this is no medical device; "
            "please ask a clinician.",
        ),
    ),
    (
        (
            *(
                "Is this person lying?",
                "What is this person thinking?",
                "Does this person like me?",
            ),
            *("Is this person a criminal?", "How old is this person?", "Who is this person?"),
        ),
        (
            "EMG can't tell that. It shows which muscles were active, not what someone thinks or "
            "who it is.",
        ),
    ),
    (
        ("What is the weather?", "Tell me a joke.", "Who is the president?", "Write a poem."),
        ("I only know about EMG recordings. Ask me about this one.",),
    ),
    (
        ("Hello", "Hi", "Hello there"),
        ("Hello. Ask me which emotion I read, why, or how good the signal is.",),
    ),
    (("Thanks", "Thank you", "Thanks a lot"), ("You are welcome.",)),
    (
        ("What can you do?", "Help", "Who are you?", "What are you?"),
        (
            "I read emotion from muscle signals. Ask which emotion I read, why, how strong a site "
            "is, when it happens, or how good the signal is.",
        ),
    ),
    (
        ("What is mains hum?", "What is 50 Hz noise?"),
        ("Mains hum is interference from the power line; it is filtered out.",),
    ),
    (
        ("How do I get a better signal?", "How can I improve the quality?"),
        (
            "Clean the skin, press the electrodes on well, fix the cables and keep away from the "
            "power line.",
        ),
    ),
)
