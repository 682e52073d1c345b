"""A simulator of facial EMG: emotion, person and conditions -> Recording.

`anatomy` says which muscles an emotion moves and which electrodes pick them up, `people` how people
differ, `units` turns excitation into motor units' action potentials, `course` is the time course,
`conditions` what else is recorded, and `recordings` puts them together.
"""

from emg_llm.signal.simulation.config import (
    CONDITIONS,
    SimulationConfig,
    describe,
    is_simulated,
    person_name,
    recording_name,
    trials,
)
from emg_llm.signal.simulation.recordings import Person, Truth, simulate

__all__ = [
    "CONDITIONS",
    "Person",
    "SimulationConfig",
    "Truth",
    "describe",
    "is_simulated",
    "person_name",
    "recording_name",
    "simulate",
    "trials",
]
