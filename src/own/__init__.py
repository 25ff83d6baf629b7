"""Your own models and readers, named by their dotted path: `own.wide.Wide`. The pipeline notices every edit here."""
