from hypothesis import settings

# The same examples in every run: a red build is red again elsewhere. `--hypothesis-profile=default` hunts.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")
