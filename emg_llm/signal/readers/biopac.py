"""BIOPAC's AcqKnowledge files (.acq), read by bioread: the channels that have the EMG's rate."""

from pathlib import Path

import numpy as np

from emg_llm.signal.readers.choice import at_one_rate, with_units
from emg_llm.signal.readers.raw import Raw, bomb, check_size, refusing, unpacked_limit
from emg_llm.signal.recording import RecordingError


def read_acq(path: Path) -> Raw:
    """The channels of an .acq file that have the EMG's rate. Raises RecordingError."""
    from bioread.reader import Reader

    name = path.name
    with refusing(f"{name} is damaged, or was cut short; copy it again, or export it anew."):
        file = Reader.read_headers(path).datafile
        channels = file.channels
        sizes = [channel.data_length for channel in channels]
        if file.is_compressed:
            sizes = [each.uncompressed_data_len for each in file.channel_compression_headers]
            if sum(sizes) > unpacked_limit(path.stat().st_size):
                raise bomb(name)
        elif min(sizes) < 0 or sum(sizes) > path.stat().st_size:
            raise ValueError("more samples than bytes")
        names = [channel.name.strip() for channel in channels]
        units = [channel.units.strip() for channel in channels]
        rates = [float(channel.samples_per_second) for channel in channels]
        kept, notes = at_one_rate(names, units, rates)
        lengths = [channels[i].point_count for i in kept]
        length = min(lengths)  # the last round of samples may be incomplete
        if max(lengths) - length > 1:
            raise RecordingError(
                f"The channels of {name} are of different lengths; export those of the EMG."
            )
        check_size(name, (length, len(kept)))
        read = Reader.read(path, channel_indexes=kept).datafile.channels
        if any(len(read[i].raw_data) < length for i in kept):
            raise ValueError("less samples than stated")
        values = np.empty((length, len(kept)), np.float32)
        for place, i in enumerate(kept):
            values[:, place] = read[i].data[:length]
    columns = with_units([names[i] for i in kept], [units[i] for i in kept])
    return Raw(values, columns if any(names) else (), rates[kept[0]], notes=notes)
