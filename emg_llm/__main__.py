"""python -m emg_llm inspect | publish | deploy-space: look into recordings, and put trained models
on the Hugging Face Hub."""

import argparse
import json
import sys
from pathlib import Path

from emg_llm.hub.client import collect


def main(arguments=None):
    options = make_parser().parse_args(arguments)
    try:
        options.run(options)
    except ValueError as error:  # HubError among them
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. Run the same command again to continue.", file=sys.stderr)
        return 130
    return 0


def make_parser():
    parser = argparse.ArgumentParser("python -m emg_llm", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    new = commands.add_parser(
        "inspect",
        help="say what recordings are read as, channel by channel",
        description="Reads each file as the app does and says what was read, assumed and left out, "
        "and how far each channel can be trusted.",
    )
    new.set_defaults(run=run_inspect)
    new.add_argument("files", metavar="FILE", nargs="+", help="a recording")
    new.add_argument("--sampling-rate", help="Hz, where the file doesn't say it")
    new.add_argument("--unit", help="of the values, where the file doesn't say it")
    new.add_argument("--channels", help="names or numbers of the channels, with commas")
    new.add_argument("--montage", help="the sites of the channels, with commas, or face")
    new.add_argument("--json", action="store_true", help="print JSON, a line for each file")
    new.add_argument("--report", metavar="HTML", help="write a page with figures (one file)")
    new = commands.add_parser(
        "publish",
        help="upload a bundle, and optionally its training conversations, to the Hub",
        description="Uploads each part of a bundle to its own repository, with a card, and finally "
        "the bundle, which pins their commits. Safe to repeat: unchanged files are not uploaded "
        "again.",
    )
    new.set_defaults(run=run_publish)
    new.add_argument(
        "--namespace", required=True, help="your user name on the Hub, or an organisation"
    )
    new.add_argument("--bundle", help="folder of the bundle (default: the packaged one)")
    new.add_argument(
        "--conversations", help="folder from train/conversations.py, sent as a dataset"
    )
    switches = {
        "--private": "create new repositories as private",
        "--dry-run": "list repositories, files and sizes; upload nothing",
        "--include-names": "keep the names of real people and of their files, not numbers",
        "--include-recordings": "upload the raw recordings that lie beside the conversations",
    }
    for flag, text in switches.items():
        spellings = dict.fromkeys([flag, f"--{flag[2:].replace('-', '_')}"])
        new.add_argument(*spellings, action="store_true", help=text)
    new = commands.add_parser(
        "deploy-space",
        help="deploy the demo as a Space that loads a published bundle",
        description="Uploads the project's source, with a pointer to a published bundle, to a "
        "Space.",
    )
    new.set_defaults(run=run_deploy)
    new.add_argument("space", metavar="USER/NAME", help="the Space")
    new.add_argument("--bundle", help="the published bundle (default: USER/emg-llm)")
    new.add_argument("--revision", help="branch, tag or commit of the bundle")
    new.add_argument("--private", action="store_true", help="create a new Space as private")
    new.add_argument("--docker", action="store_true", help="use the Dockerfile, not Gradio's SDK")
    return parser


def run_inspect(options):
    from emg_llm.report.measured import measured
    from emg_llm.report.retrieve import lines
    from emg_llm.signal.description import description
    from emg_llm.signal.readers import read_recording
    from emg_llm.signal.recording import RecordingError

    o, refused = options, None
    if o.report and len(o.files) > 1:
        raise ValueError("A report is of one file; name one with --report.")
    for path in o.files:
        try:
            recording = read_recording(
                path, o.sampling_rate, o.unit, montage=o.montage, channels=o.channels
            )
        except RecordingError as error:
            refused = error  # the others are inspected, too
            print(json.dumps({"file": path, "error": str(error)}) if o.json else f"{path}: {error}")
            continue
        told, report = description(recording), measured(recording)
        said = [*lines(report).splitlines(), *_named(recording)]
        if o.json:
            print(json.dumps({"file": path} | told | report.as_dict()))
        else:
            print(f"{path}:", *said, f"{_channel_table(told).to_string()}\n", sep="\n")
        if o.report:
            page = _page(recording, said, _channel_table(told).reset_index())
            Path(o.report).write_text(page, encoding="utf-8")
            print(f"Report: {o.report}", file=sys.stderr)
    if refused is not None:
        raise ValueError("Not every file could be read.")


def _named(recording):
    """What the file says of its recording beside the signal."""
    label = f"label {recording.label}" if recording.label else ""
    if names := ", ".join(filter(None, (label, recording.subject))):
        yield f"The file names: {names}."


def _channel_table(told):
    import pandas as pd

    table = pd.DataFrame(told["channels"]).set_index("name").round(3)
    return table.rename(columns={"rms": "unfiltered rms"})  # the sentences tell the filtered one


def _page(recording, said, table):
    """A self-contained page about one recording."""
    from emg_llm.plots.page import report_page
    from emg_llm.plots.signals import signal_figure, spectrum_figure

    figures = {"Signal": ("As recorded.", signal_figure(recording))}
    figures["Spectrum"] = ("Of the valid samples.", spectrum_figure(recording))
    return report_page(recording.recording_id, said, figures, {"Channels": table})


def run_publish(options):
    from emg_llm.hub.publish import COLLECTION, dry_run, plan, publish

    o = options
    items = list(
        plan(o.namespace, o.bundle, o.conversations, o.include_names, o.include_recordings)
    )
    sizes = dry_run(items)  # reports what may not be uploaded before anything is
    if o.dry_run:
        show(sizes, o)
        return
    done = publish(items, o.private or None)
    address = collect(
        o.namespace,
        COLLECTION,
        "Read emotion from facial EMG, and talk about it.",
        [(pushed.repo_id, item.kind) for item, pushed in zip(items, done.values(), strict=True)],
        o.private,
    )
    print(f"Collection: {address}")
    print(f'Load it: emg_llm.EmotionPipeline.from_pretrained("{done["bundle"].repo_id}")')


def show(sizes, options):
    """Print what would be published: repository, file, size."""
    total = 0
    for item, files in sizes:
        size = sum(n for _, n in files)
        total += size
        print(f"{item.repo_id} ({item.kind}, {size / 2**20:.2f} MB)")
        for name, n in files:
            print(f"    {n:>12,}  {name}")
    how = "as they are" if options.include_names else "as numbers, if they are of real people"
    print(f"\nNames of people and files are published {how}.")
    print(f"{len(sizes)} repositories, {total / 2**20:.1f} MB. Nothing was sent.")


def run_deploy(options):
    from emg_llm.hub.publish import deploy_space

    bundle = options.bundle or f"{options.space.split('/')[0]}/emg-llm"
    pushed = deploy_space(
        options.space, bundle, options.private or None, options.revision, options.docker
    )
    print(f"Space: {pushed.url}")
    print(f'Its source installs with: pip install "git+{pushed.url}"')


if __name__ == "__main__":
    sys.exit(main())
