"""python -m emg_llm publish | deploy-space: what was trained, on the Hugging Face Hub."""

import argparse
import sys

from emg_llm.hub.client import HubError, collect


def main(arguments=None):
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (HubError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. The same command goes on where it was.", file=sys.stderr)
        return 130
    return 0


def make_parser():
    parser = argparse.ArgumentParser("python -m emg_llm", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    new = commands.add_parser(
        "publish",
        help="send a bundle, and the conversations it learned, to the Hub",
        description="Sends every part of a bundle into a repository of its own, with a card, and "
        "last the bundle that ties them together at these commits. Safe to repeat: what is there "
        "already is not sent again.",
    )
    new.set_defaults(run=run_publish)
    new.add_argument(
        "--namespace", required=True, help="your name on the Hub, or an organisation's"
    )
    new.add_argument("--bundle", help="folder of the bundle (default: the one that ships)")
    new.add_argument(
        "--conversations", help="folder that train/conversations.py wrote, to be sent as a dataset"
    )
    new.add_argument("--private", action="store_true", help="new repositories are private")
    new.add_argument(
        "--dry-run",
        "--dry_run",
        action="store_true",
        help="say what would be sent, and send nothing",
    )
    new.add_argument(
        "--include-names",
        "--include_names",
        action="store_true",
        help="names of real people and of their files leave as they are, instead of numbers",
    )
    new.add_argument(
        "--include-recordings",
        "--include_recordings",
        action="store_true",
        help="raw recordings that lie beside the conversations leave too",
    )
    new = commands.add_parser(
        "deploy-space",
        help="put the demo up as a Space that loads a published bundle",
        description="Sends the project's source, with a pointer to a published bundle, to a Space.",
    )
    new.set_defaults(run=run_deploy)
    new.add_argument("space", metavar="USER/NAME", help="the Space")
    new.add_argument("--bundle", help="the published bundle (default: USER/emg-llm)")
    new.add_argument("--revision", help="branch, tag or commit of the bundle")
    new.add_argument("--private", action="store_true", help="a new Space is private")
    new.add_argument("--docker", action="store_true", help="run its Dockerfile, not Gradio's SDK")
    return parser


def run_publish(options):
    from emg_llm.hub.publish import COLLECTION, dry_run, plan, publish

    items = list(
        plan(
            options.namespace,
            options.bundle,
            options.conversations,
            options.include_names,
            options.include_recordings,
        )
    )
    found = dry_run(items)  # what may not leave is said before anything is sent
    if options.dry_run:
        show(found, options)
        return
    done = publish(items, options.private or None)
    address = collect(
        options.namespace,
        COLLECTION,
        "Read emotion from facial EMG, and talk about it.",
        [(pushed.repo_id, item.kind) for item, pushed in zip(items, done.values(), strict=True)],
        options.private,
    )
    print(f"Collection: {address}")
    print(f'Load it: emg_llm.EmotionPipeline.from_pretrained("{done["bundle"].repo_id}")')


def show(found, options):
    """Print what a publication would send: repository, file, size."""
    total = 0
    for item, sizes in found:
        size = sum(n for _, n in sizes)
        total += size
        print(f"{item.repo_id} ({item.kind}, {size / 2**20:.2f} MB)")
        for name, n in sizes:
            print(f"    {n:>12,}  {name}")
    who = "as they are" if options.include_names else "as numbers, where they are real people's"
    print(f"\nNames of people and files leave {who}.")
    print(f"{len(found)} repositories, {total / 2**20:.1f} MB. Nothing was sent.")


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
