"""Memory of the embedded server: case collections and knowledge repositories."""
