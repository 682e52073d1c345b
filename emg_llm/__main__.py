"""python -m emg_llm inspect | predict | profile | publish | deploy-space: look into recordings,
read emotions, learn a face, and put trained models on the Hugging Face Hub."""

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
    _add_reading(new)
    new.add_argument("--json", action="store_true", help="print JSON, a line for each file")
    new.add_argument("--report", metavar="HTML", help="write a page with figures (one file)")
    new = commands.add_parser(
        "predict",
        help="name the emotion in each of many recordings",
        description="Prints a line for each recording: signal quality, emotion, confidence, or why "
        "no emotion is named. A file that can't be read doesn't stop the others.",
    )
    new.set_defaults(run=run_predict)
    new.add_argument("files", metavar="FILE", nargs="+", help="a recording, or a folder of them")
    _add_reading(new)
    new.add_argument("--bundle", help="folder or Hub id of the models (default: the packaged ones)")
    new.add_argument("--profile", metavar="JSON", help="of the person in the recordings")
    new.add_argument("--csv", metavar="CSV", help="write the table to this file, too")
    new.add_argument("--json", action="store_true", help="print JSON, a line for each file")
    new = commands.add_parser(
        "profile",
        help="learn a person's face from a few of their recordings",
        description="Writes a small file without signals that --profile takes, and measures how "
        "often each recording is read right by models that know the others. One neutral recording "
        "is enough for the zero of the person's levels; labelled ones are learned.",
    )
    new.set_defaults(run=run_profile)
    new.add_argument("files", metavar="FILE", nargs="+", help="a recording, or a folder of them")
    new.add_argument("--output", metavar="JSON", required=True, help="the profile")
    new.add_argument(
        "--labels",
        help="the emotion of each file, with commas, empty if unknown (default: as the file, its "
        "name or its folder says)",
    )
    _add_reading(new)
    new.add_argument("--bundle", help="folder or Hub id of the models (default: the packaged ones)")
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


def _add_reading(parser):
    """The flags that say how files are read."""
    parser.add_argument("--sampling-rate", help="Hz, where the file doesn't say it")
    parser.add_argument("--unit", help="of the values, where the file doesn't say it")
    parser.add_argument("--channels", help="names or numbers of the channels, with commas")
    parser.add_argument("--montage", help="the sites of the channels, with commas, or face")


def run_inspect(options):
    from emg_llm.report.measured import measured
    from emg_llm.report.page import channel_table, recording_page
    from emg_llm.report.retrieve import lines
    from emg_llm.signal.description import description
    from emg_llm.signal.recording import RecordingError

    o, refused = options, None
    if o.report and len(o.files) > 1:
        raise ValueError("A report is of one file; name one with --report.")
    for path in o.files:
        try:
            recording = _read(path, o)
        except RecordingError as error:
            refused = error  # the others are inspected, too
            print(json.dumps({"file": path, "error": str(error)}) if o.json else f"{path}: {error}")
            continue
        told, report = description(recording), measured(recording)
        said = [*lines(report).splitlines(), *_named(recording)]
        if o.json:
            print(json.dumps({"file": path} | told | report.as_dict()))
        else:
            print(f"{path}:", *said, f"{channel_table(recording).to_string()}\n", sep="\n")
        if o.report:
            Path(o.report).write_text(recording_page(recording, said), encoding="utf-8")
            print(f"Report: {o.report}", file=sys.stderr)
    if refused is not None:
        raise ValueError("Not every file could be read.")


def _read(path, options):
    from emg_llm.signal.readers import read_recording

    o = options
    return read_recording(path, o.sampling_rate, o.unit, montage=o.montage, channels=o.channels)


def _files(paths):
    """The files, and those in folders, at any depth."""
    from emg_llm.signal.readers import SUPPORTED_EXTENSIONS

    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        some = (f for f in path.rglob("*") if f.suffix.lower() in SUPPORTED_EXTENSIONS)
        inside = sorted(f for f in some if f.stem.lower() != "manifest")
        if not inside:
            raise ValueError(f"{path} holds no recording.")
        yield from inside


def _recordings(options):
    """(path, recording) of the files and folders that are given; a manifest in a folder says how
    its files are read, and their labels."""
    from emg_llm.data.manifests import listed_in, manifest_in

    for path in map(Path, options.files):
        if path.is_dir() and (manifest := manifest_in(path)):
            for recording in listed_in(manifest, options.montage):
                yield path / recording.recording_id, recording
        else:
            yield from ((file, _read(file, options)) for file in _files([path]))


def run_predict(options):
    from emg_llm.pipeline import EmotionPipeline
    from emg_llm.report.rows import Row, row, to_csv
    from emg_llm.signal.recording import RecordingError

    o, rows, unread = options, [], 0
    files = list(_files(o.files))
    pipeline = EmotionPipeline.from_pretrained(o.bundle, profile=o.profile)
    width = max(len(str(path)) for path in files)
    for path in files:
        try:
            recording = _read(path, o)
            each = row(str(path), pipeline.report(recording), pipeline(recording))
        except RecordingError as error:
            each, unread = Row(str(path), why=str(error)), unread + 1
        rows.append(each)
        if o.json:
            print(json.dumps(vars(each)), flush=True)
        else:
            sure = "" if each.confidence is None else f"{each.confidence:.0%}"
            told = f"{each.quality:6}  {each.emotion:10}  {sure:>4}  {each.why}".rstrip()
            print(f"{each.file:{width}}  {told}", flush=True)
    if o.csv:
        try:
            Path(o.csv).write_text(to_csv(rows), encoding="utf-8")
        except OSError as error:
            raise ValueError(f"{o.csv} can't be written ({error.strerror}).") from None
    print(pipeline.trained_on, file=sys.stderr)
    if unread:
        raise ValueError(f"{unread} of {len(rows)} files could not be read.")


def run_profile(options):
    from emg_llm.pipeline import EmotionPipeline
    from emg_llm.profile import Profile
    from emg_llm.profile.figures import left_out, missing, why_not
    from emg_llm.profile.names import label_of
    from emg_llm.signal.recording import RecordingError

    o = options
    files, recordings = zip(*_recordings(o), strict=True)
    given = o.labels and [label.strip() for label in o.labels.split(",")]
    if given and len(given) != len(files):
        raise ValueError(f"--labels names {len(given)} emotions for {len(files)} files.")
    pipeline = EmotionPipeline.from_pretrained(o.bundle)
    labels = given or [
        r.label if r.label in pipeline.labels else label_of(str(path), pipeline.labels)
        for path, r in zip(files, recordings, strict=True)
    ]
    for path, label, recording in zip(files, labels, recordings, strict=True):
        print(f"{label or 'unlabelled':12}{path}")
        if why := pipeline.withheld(recording):
            raise RecordingError(f"{path} can't be part of a profile. {why}")
    profile = Profile.of(pipeline, recordings, labels)
    profile.save(o.output)
    print(f"{o.output}: {profile.sentence}", *missing(profile.counts, pipeline.labels), sep="\n")
    figures = None
    for figures in left_out(pipeline, profile, recordings.__getitem__):
        print(f"\r{figures.named.n} of {len(profile.labelled)} read", end="", file=sys.stderr)
    print("" if figures is None else "\n", end="", file=sys.stderr)
    print(why_not(profile) if figures is None else figures.sentence)


def _named(recording):
    """What the file says of its recording beside the signal."""
    label = f"label {recording.label}" if recording.label else ""
    if names := ", ".join(filter(None, (label, recording.subject))):
        yield f"The file names: {names}."


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
