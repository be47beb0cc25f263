"""`appliance support-bundle`."""
