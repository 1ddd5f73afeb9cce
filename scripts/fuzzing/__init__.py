"""Input made to do harm: what each reader promises about any bytes, checked by hypothesis and by atheris alike."""

__all__: list[str] = []
