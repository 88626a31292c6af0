#!/usr/bin/env bash
# Guess: a presigned link of an S3 client is signed as its requests are, by version 4, whose signature covers the query.
#
# What happens: requests carry AWS4-HMAC-SHA256, but `generate_presigned_url` of the same client makes a link with AWSAccessKeyId,
# Expires and an HMAC-SHA1 `Signature`: version 2, if the region is us-east-1 or there is an endpoint of one's own. Stores that know
# only version 4 refuse it, others refuse it as soon as it has `response-content-type`. With signature_version="s3v4" in the
# configuration the link is signed like the requests.
set -euo pipefail

there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
{ python3 -m venv "$there/venv" && "$there/venv/bin/pip" install --quiet --disable-pip-version-check botocore==1.43.117; } ||
  { echo "not run: the package could not be installed" >&2; exit 2; }
cd "$there"

venv/bin/python - <<'PYTHON'
import sys
from urllib.parse import parse_qs, urlsplit

import botocore
import botocore.session
from botocore.config import Config


class Sent(Exception):
    pass


def client(**config):
    return botocore.session.get_session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:9",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


def signed_request(s3):
    found = []

    def stop(request, **_):
        found.append(request.headers["Authorization"].decode().split()[0])
        raise Sent

    s3.meta.events.register("before-send.s3", stop)
    try:
        s3.head_object(Bucket="b", Key="k")
    except Sent:
        pass
    return found[0]


def signed_link(s3):
    link = s3.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    return sorted(parse_qs(urlsplit(link).query))


print("botocore", botocore.__version__)
print("A client whose requests are signed by version 4 signs its links by version 2.")
default, chosen = client(), client(signature_version="s3v4")
requests = signed_request(default)
print("request by default:", requests)
print("link by default:   ", signed_link(default))
print("link with s3v4:    ", signed_link(chosen))
if (requests, signed_link(default)) != ("AWS4-HMAC-SHA256", ["AWSAccessKeyId", "Expires", "Signature"]):
    sys.exit("the behaviour has changed")
if "X-Amz-Signature" not in signed_link(chosen):
    sys.exit("the behaviour has changed")
PYTHON
