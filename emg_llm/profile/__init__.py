"""What was learned of one person from a few of their recordings: a small file without signals."""

from emg_llm.profile.profile import Profile, ProfileError

__all__ = ["Profile", "ProfileError"]
