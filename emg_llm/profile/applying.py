"""A profile -> models that know its person."""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from emg_llm.bridge.base import Bridge
from emg_llm.encoders.adapting import learned
from emg_llm.encoders.base import EmgEncoder
from emg_llm.profile.profile import POWERS, SVM, Profile, ProfileError
from emg_llm.signal.levels import ANY
from emg_llm.signal.once import Prepared
from emg_llm.signal.recording import Recording
from emg_llm.svm import EmotionSVM

Told = dict[Any, Any]


def told(
    profile: Profile,
    svm: EmotionSVM,
    encoders: dict[str, EmgEncoder],
    bridges: Iterable[Bridge],
) -> Told:
    """{model: the same model, as it knows the person}, of all these.

    Models of "any" scaling read against the person's zero, and encoders learn the labels. An SVM
    keeps no training data to learn them with, and language models get them through the codes of
    their encoder. Raises ProfileError if no model can use anything of the profile.
    """
    privilege, trials = profile.zero
    told: Told = {svm: svm}
    if privilege and svm.scaling == ANY:
        told[svm] = svm.against(profile.facts(SVM, trials), privilege)
    for arch, encoder in encoders.items():
        told[encoder] = _encoder(profile, arch, encoder)
    for bridge in bridges:
        told[bridge] = bridge
        if bridge.encoder is None or bridge.encoder in told:
            values = profile.facts(POWERS, trials) if privilege and bridge.scaling == ANY else None
            fits = bridge.scale is not None and tuple(bridge.scale.names) == profile.sites
            told[bridge] = bridge.against(
                told.get(bridge.encoder), values if fits else None, privilege
            )
    if all(before is after for before, after in told.items() if not isinstance(before, Bridge)):
        raise ProfileError(
            "The models of this bundle can't use this profile: none was trained with --scaling "
            "any, and it has no labelled recordings for the encoders to learn."
        )
    return told


def knowing(
    models: tuple[EmotionSVM, dict[str, EmgEncoder], Iterable[Bridge]],
    neutral: Sequence[Recording] = (),
    several: Sequence[Recording] = (),
) -> Told:
    """{model: the same model, as it knows a person's recordings}, of an SVM, encoders, bridges.

    Raises ValueError unless there are neutral or several, and models of "any" scaling.
    """
    if bool(neutral) == bool(several) or len(several) == 1:
        raise ValueError("Give neutral recordings of the person, or at least two as `several`.")
    svm, encoders, bridges = models
    every: list[Any] = [svm, *encoders.values(), *bridges]
    if not any(model.scaling == ANY for model in every):
        raise ValueError(
            "The models of this bundle can't use recordings of the person, because none was "
            "trained with --scaling any."
        )
    of = [Prepared.of(r) for r in neutral or several], "neutral" if neutral else "several"
    return {m: m.knowing(*of) if m.scaling == ANY else m for m in every}


def _encoder(profile, arch, encoder):
    privilege, trials = profile.zero
    if encoder.scaling != ANY:
        privilege, trials = "", ()
    offsets = [torch.from_numpy(t.facts[arch]).to(encoder.center) for t in trials]
    shift = encoder.zero(offsets, privilege) if privilege else torch.zeros(encoder.n_shift)
    if profile.learns and encoder.config.lead != "deep":
        labels = [encoder.config.labels.index(t.label) for t in profile.labelled]
        facts = torch.from_numpy(profile.facts(arch, profile.labelled))
        return learned(encoder, facts, np.array(labels), shift)
    if not privilege:
        return encoder
    known = copy.copy(encoder)
    known.person = shift.to(encoder.device)
    return known
