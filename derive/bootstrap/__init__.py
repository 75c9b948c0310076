"""Machine bootstrap: frozen inputs in, cloud-config and bundles out; pure text, no cloud client.

Two documents per machine:

* **user data** (`user_data(...)`): a `#cloud-config` below EC2's 16 KB limit, with no secret in it. It lays out a few
  programs and a systemd unit that runs the first boot and retries until it succeeds.
* a **bundle** (`bundle(...)`): a JSON object of files, secrets included, that the machine fetches with its instance
  role. K3s nodes read it from Secrets Manager; database machines, which reach nothing but S3, read it from S3.

The programs are real files under `files/`, so that ShellCheck and the tests run exactly what the machines run.
The operating system is Amazon Linux 2023: AWS CLI v2, curl, system Python 3.9 and the SSM agent are preinstalled.
"""
