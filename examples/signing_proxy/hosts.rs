//! What to sign for, as far as the host of an AWS endpoint tells.

/// The service and the region of one of AWS's own hosts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) service: String,
    pub(crate) region: String,
}

/// AWS's own domains, and where a global service of each is signed for.
const DOMAINS: [(&str, &str); 7] = [
    (".amazonaws.com.cn", "cn-northwest-1"),
    (".amazonaws.com", "us-east-1"),
    (".amazonaws.eu", "eusc-de-east-1"),
    (".api.amazonwebservices.com.cn", "cn-northwest-1"),
    (".api.amazonwebservices.eu", "eusc-de-east-1"),
    (".api.aws", "us-east-1"),
    (".on.aws", "us-east-1"),
];

/// Services whose hosts have another name than signatures do.
const NAMES: [(&str, &str); 48] = [
    ("agent-registry-control", "agent-registry"),
    ("agreement-marketplace", "aws-marketplace"),
    ("aos", "es"),
    ("appconfigdata", "appconfig"),
    ("appstream2", "appstream"),
    ("appsync-api", "appsync"),
    ("aps-workspaces", "aps"),
    ("bedrock-agent", "bedrock"),
    ("bedrock-agent-runtime", "bedrock"),
    ("bedrock-agentcore-control", "bedrock-agentcore"),
    ("bedrock-data-automation", "bedrock"),
    ("bedrock-data-automation-runtime", "bedrock"),
    ("bedrock-runtime", "bedrock"),
    ("cassandra-streams", "cassandra"),
    ("cloudhsmv2", "cloudhsm"),
    ("cloudsearchdomain", "cloudsearch"),
    ("contact-lens", "connect"),
    ("deployment-marketplace", "aws-marketplace"),
    ("discovery-marketplace", "aws-marketplace"),
    ("email", "ses"),
    ("email-smtp", "ses"),
    ("entitlement-marketplace", "aws-marketplace"),
    ("eventsv2", "events"),
    ("forecastquery", "forecast"),
    ("identity-chime", "chime"),
    ("iot-tunneling", "IoTSecuredTunneling"),
    ("ivsrealtime", "ivs"),
    ("lambda-url", "lambda"),
    ("mail-manager", "ses"),
    ("marketplace", "aws-marketplace"),
    ("media-pipelines-chime", "chime"),
    ("meetings-chime", "chime"),
    ("memory-db", "memorydb"),
    ("messaging-chime", "chime"),
    ("metering-marketplace", "aws-marketplace"),
    ("migrationhub-config", "mgh"),
    ("models-v2-lex", "lex"),
    ("oidc", "sso-oauth"),
    ("partnercentral-prm", "partnercentral"),
    ("personalize-events", "personalize"),
    ("personalize-runtime", "personalize"),
    ("pinpoint", "mobiletargeting"),
    ("queue", "sqs"),
    ("reporting-marketplace", "aws-marketplace"),
    ("runtime-v2-lex", "lex"),
    ("servicecatalog-appregistry", "servicecatalog"),
    ("streaming-transcribe", "transcribe"),
    ("voice-chime", "chime"),
];

/// The same where more than the last part of the name tells.
const LONG_NAMES: [(&str, &str); 10] = [
    ("data.iot", "iotdata"),
    ("data.ats.iot", "iotdata"),
    ("data-ats.iot", "iotdata"),
    ("data.jobs.iot", "iot-jobs-data"),
    ("api.tunneling.iot", "IoTSecuredTunneling"),
    ("participant.connect", "execute-api"),
    ("portal.sso", "awsssoportal"),
    ("sms-voice.pinpoint", "sms-voice"),
    ("streaming.chime", "chime"),
    ("transcribestreaming", "transcribe"),
];

/// What to sign for at a host, or nothing if it is not one of AWS's, or does not tell.
///
/// Most hosts are `service.region.amazonaws.com`, with what belongs to an account before that. The exceptions
/// are after botocore's list of endpoints.
pub(crate) fn infer(host: &str) -> Option<Signed> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let (name, global) = DOMAINS
        .iter()
        .find_map(|(domain, global)| Some((host.strip_suffix(domain)?, *global)))?;
    // `vpce-….sqs.eu-west-1.vpce`, where the service is meant.
    let name = name.strip_suffix(".vpce").unwrap_or(name);
    let mut labels: Vec<&str> = name
        .split('.')
        .filter(|label| *label != "dualstack")
        .collect();
    let signed = |service: &str, region: &str| {
        Some(Signed {
            service: service.to_owned(),
            region: region.to_owned(),
        })
    };

    // `domain.eu-west-1.es` and `id.eu-west-1.aoss`: the other way round.
    if let [.., region, service @ ("es" | "aoss" | "queue")] = labels[..]
        && is_region(region)
    {
        return signed(renamed(service), region);
    }
    let at = labels.iter().rposition(|label| is_region(label));
    let region = match at {
        Some(at) if at + 1 == labels.len() => labels.remove(at),
        // A region is somewhere, and not where it is known to be.
        Some(_) => return None,
        None => match labels
            .last()?
            .strip_prefix("s3-")
            .filter(|rest| is_region(rest))
        {
            // As hosts were named once.
            Some(region) => {
                labels.pop();
                labels.push("s3");
                region
            }
            None => global,
        },
    };
    let name = labels.join(".");
    let name = name.strip_suffix("-fips").unwrap_or(&name);
    let long = LONG_NAMES.iter().find(|(long, _)| {
        name == *long
            || name
                .strip_suffix(long)
                .is_some_and(|rest| rest.ends_with('.'))
    });
    if let Some((_, service)) = long {
        return signed(service, region);
    }
    let last = name.rsplit('.').next().filter(|last| !last.is_empty())?;
    let last = last.strip_prefix("fips-").unwrap_or(last);
    match last {
        // Of several regions: signatures there are of another kind.
        "s3-global" => None,
        // Of a bucket in any.
        "s3-accelerate" => None,
        // An account's own.
        "iot" if name.ends_with("-ats.iot") => signed("iotdata", region),
        _ => signed(renamed(last), region),
    }
}

fn renamed(name: &str) -> &str {
    if name.starts_with("s3-") {
        // Access points, their control plane, outposts: but these have a name of their own.
        return match name {
            "s3-outposts" | "s3-object-lambda" => name,
            _ => "s3",
        };
    }
    let found = NAMES.iter().find(|(host, _)| *host == name);
    found.map_or(name, |(_, service)| service)
}

/// `eu-west-1`, `us-gov-east-1`, `eusc-de-east-1`.
fn is_region(label: &str) -> bool {
    let parts: Vec<&str> = label.split('-').collect();
    let [first, middle @ .., last] = parts.as_slice() else {
        return false;
    };
    let is_word =
        |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    (2..=4).contains(&first.len())
        && is_word(first)
        && (1..=2).contains(&middle.len())
        && middle.iter().all(is_word)
        && (1..=2).contains(&last.len())
        && last.bytes().all(|byte| byte.is_ascii_digit())
}
