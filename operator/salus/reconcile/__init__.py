"""The shell that heals: one step of one policy on one target performs what `core.remedy.lifecycle` says is next."""
