"""Prints every host that botocore knows, with what it signs for there: host, service, region."""

import botocore.session
from botocore.exceptions import EndpointVariantError

VARIANTS = ({}, {"use_fips_endpoint": True}, {"use_dualstack_endpoint": True})

session = botocore.session.get_session()
resolver = session.get_component("endpoint_resolver")
found = set()
for service in session.get_available_services():
    model = session.get_service_model(service)
    prefix = model.endpoint_prefix
    for partition in session.get_available_partitions():
        regions = session.get_available_regions(prefix, partition)
        for region in regions or session.get_available_regions(service, partition):
            for variant in VARIANTS:
                try:
                    endpoint = resolver.construct_endpoint(prefix, region, partition, **variant)
                except EndpointVariantError:
                    continue
                if endpoint is None:
                    continue
                scope = endpoint.get("credentialScope", {})
                signed = scope.get("service", model.signing_name), scope.get("region", region)
                found.add((endpoint["hostname"], *signed))
for line in sorted(found):
    print(*line)
