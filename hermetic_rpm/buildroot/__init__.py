"""The unprivileged buildroot, used by resolver and builder alike: sandbox, bootstrap, rpm, rpmbuild."""
