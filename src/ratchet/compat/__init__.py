"""Parts of other libraries that are not public, with the reason for each; tests/compat fails where one is gone."""
