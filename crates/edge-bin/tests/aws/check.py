"""boto3 against an edge: check.py ADMIN-URL SITE-URL DISTRIBUTION-ID. Prints ok, or fails where something is not so."""

import datetime
import sys
import urllib.request

import boto3
from botocore.exceptions import ClientError

admin, site, distribution = sys.argv[1:]
client = boto3.client("cloudfront", endpoint_url=admin)


def equal(got, expected):
    assert got == expected, f"got {got!r}, expected {expected!r}"


def x_cache(path):
    request = urllib.request.Request(site + path, headers={"Host": "localhost"})
    with urllib.request.urlopen(request) as response:
        return response.headers["X-Cache"].split(" ")[0]


def batch(reference, *paths):
    return {"Paths": {"Quantity": len(paths), "Items": list(paths)}, "CallerReference": reference}


def create(reference, *paths, id=distribution):
    return client.create_invalidation(DistributionId=id, InvalidationBatch=batch(reference, *paths))


def refused(code, status, call, *args, **named):
    try:
        call(*args, **named)
    except ClientError as error:
        equal(error.response["Error"]["Code"], code)
        equal(error.response["ResponseMetadata"]["HTTPStatusCode"], status)
        assert error.response["Error"]["Message"] and error.response["ResponseMetadata"]["RequestId"], error.response
    else:
        raise AssertionError(f"{code} was expected")


equal([x_cache("/a"), x_cache("/a"), x_cache("/b")], ["Miss", "Hit", "Miss"])
created = create("one", "/a", "#some-tag")
equal(created["ResponseMetadata"]["HTTPStatusCode"], 201)
equal([x_cache("/a"), x_cache("/b")], ["Miss", "Hit"])
invalidation = created["Invalidation"]
equal(invalidation["InvalidationBatch"], batch("one", "/a", "#some-tag"))
age = datetime.datetime.now(datetime.timezone.utc) - invalidation["CreateTime"]
assert abs(age) < datetime.timedelta(minutes=10), age

# The same call is the same invalidation, and removes nothing again.
equal(create("one", "/a", "#some-tag")["Invalidation"]["Id"], invalidation["Id"])
equal(x_cache("/a"), "Hit")
refused("InvalidArgument", 400, create, "one", "/b")
equal(x_cache("/b"), "Hit")

client.get_waiter("invalidation_completed").wait(
    DistributionId=distribution, Id=invalidation["Id"], WaiterConfig={"Delay": 1, "MaxAttempts": 60}
)
got = client.get_invalidation(DistributionId=distribution, Id=invalidation["Id"])["Invalidation"]
equal(got, {**invalidation, "Status": "Completed"})

ids = [create(f"more-{number}", "/c*")["Invalidation"]["Id"] for number in range(4)]
pages = list(client.get_paginator("list_invalidations").paginate(
    DistributionId=distribution, PaginationConfig={"PageSize": 2}
))
lists = [page["InvalidationList"] for page in pages]
equal([one["Quantity"] for one in lists], [2, 2, 1])
equal([one["IsTruncated"] for one in lists], [True, True, False])
equal([one["MaxItems"] for one in lists], [2, 2, 2])
equal([item["Id"] for one in lists for item in one["Items"]], [*reversed(ids), invalidation["Id"]])

missing = {"DistributionId": distribution, "Id": "I0000000000000"}
refused("NoSuchInvalidation", 404, client.get_invalidation, **missing)
refused("NoSuchDistribution", 404, create, "two", "/a", id="E0000000000000")
refused("InvalidArgument", 400, create, "two", "a")
refused("InvalidArgument", 400, create, "two", "/with~tilde")
refused("InvalidArgument", 400, create, "two")
refused("BatchTooLarge", 413, create, "two", *[f"/{number}" for number in range(3001)])
refused("TooManyInvalidationsInProgress", 400, create, "two", *[f"/{number}*" for number in range(16)])
wrong = batch("two", "/a") | {"Paths": {"Quantity": 2, "Items": ["/a"]}}
refused("InconsistentQuantities", 400, client.create_invalidation, DistributionId=distribution, InvalidationBatch=wrong)
refused("NotImplemented", 501, client.get_distribution, Id=distribution)
equal(x_cache("/a"), "Hit")
print("ok")
