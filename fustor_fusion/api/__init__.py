"""The HTTP interface of fusion: `application.build` makes it, `ports` says what it needs, `authorization` who may do what."""
