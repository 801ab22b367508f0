//! Owns what a function's environment says about reaching AWS: the credentials and the region that
//! Lambda sets (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>), and other
//! endpoints, for emulators (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>).

use std::collections::BTreeMap;
use std::fmt;

use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use super::roots::{self, Roots};
use crate::config::{ConfigError, ConfigErrors};

const ENDPOINT: &str = "AWS_ENDPOINT_URL";

/// The endpoints of single services: the SDK's name of each, and its variable.
const ENDPOINTS: [(&str, &str); 6] = [
    ("DynamoDB", "AWS_ENDPOINT_URL_DYNAMODB"),
    ("EventBridge", "AWS_ENDPOINT_URL_EVENTBRIDGE"),
    ("Kinesis", "AWS_ENDPOINT_URL_KINESIS"),
    ("Lambda", "AWS_ENDPOINT_URL_LAMBDA"),
    ("S3", "AWS_ENDPOINT_URL_S3"),
    ("SNS", "AWS_ENDPOINT_URL_SNS"),
];

/// How AWS is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Access {
    pub(super) region: String,
    pub(super) keys: Keys,
    pub(super) endpoint: Option<String>,
    pub(super) endpoints: Endpoints,
    pub(super) fips: bool,
    pub(super) dual_stack: bool,
    pub(super) roots: Roots,
}

/// Credentials.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) token: Option<String>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// Endpoints by the SDK's names of services.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Endpoints(BTreeMap<&'static str, String>);

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        (key.env() == ENDPOINT).then(|| self.0.get(key.service_id()).cloned()).flatten()
    }
}

impl Access {
    /// What an environment says; `lookup` gives a variable's value.
    ///
    /// # Errors
    /// [`ConfigErrors`] with everything that is missing or wrong.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut errors = Vec::new();
        let value = |variable: &str| lookup(variable).filter(|value| !value.is_empty());
        let mut required = |variable, expected| {
            value(variable).unwrap_or_else(|| {
                errors.push(ConfigError { variable, value: String::new(), expected });
                String::new()
            })
        };
        let keys = Keys {
            id: required("AWS_ACCESS_KEY_ID", "a key id: Lambda sets it, and emulators take any"),
            secret: required("AWS_SECRET_ACCESS_KEY", "a key: Lambda sets it, and emulators take any"),
            token: value("AWS_SESSION_TOKEN"),
        };
        let region = value("AWS_REGION").or_else(|| value("AWS_DEFAULT_REGION"));
        let region = region
            .unwrap_or_else(|| required("AWS_REGION", "a region, such as `eu-central-1`: Lambda sets it"));
        let mut flag = |variable| {
            let value = value(variable).unwrap_or_else(|| "false".to_owned());
            value.to_ascii_lowercase().parse().unwrap_or_else(|_| {
                errors.push(ConfigError { variable, value, expected: "`true` or `false`" });
                false
            })
        };
        let (fips, dual_stack) = (flag("AWS_USE_FIPS_ENDPOINT"), flag("AWS_USE_DUALSTACK_ENDPOINT"));
        let ignored = flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
        let mut url = |variable| {
            let url = value(variable).filter(|_| !ignored)?;
            if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
                let expected = "a URL, such as `http://127.0.0.1:4566`";
                errors.push(ConfigError { variable, value: url.clone(), expected });
            }
            Some(url)
        };
        let endpoint = url(ENDPOINT);
        let of_services = ENDPOINTS.iter().filter_map(|(service, variable)| Some((*service, url(variable)?)));
        let endpoints = Endpoints(of_services.collect());
        // Nobody can say beforehand who vouches for an endpoint that is not AWS's.
        let mut urls = endpoints.0.values().chain(&endpoint);
        let usual = if urls.any(|url| url.starts_with("https://")) { Roots::Native } else { Roots::Amazon };
        let roots = value(roots::VARIABLE).map_or(Ok(usual.clone()), |value| Roots::parse(&value));
        let roots = roots.unwrap_or_else(|error| {
            errors.push(error);
            usual
        });
        if !errors.is_empty() {
            return Err(ConfigErrors(errors));
        }
        Ok(Self { region, keys, endpoint, endpoints, fips, dual_stack, roots })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    /// As Lambda sets it.
    const LAMBDA: [(&str, &str); 4] = [
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "token"),
        ("AWS_REGION", "eu-central-1"),
    ];

    fn read(variables: &[(&str, &str)]) -> Result<Access, ConfigErrors> {
        let all: Vec<_> = LAMBDA.iter().chain(variables).rev().collect();
        Access::from_lookup(|wanted| {
            all.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
        })
    }

    fn endpoint_of(access: &Access, service: &str) -> Option<String> {
        let key = ServiceConfigKey::builder().service_id(service).env(ENDPOINT).profile("endpoint_url");
        access.endpoints.load_config(key.build().unwrap())
    }

    #[test]
    fn what_lambda_sets_is_enough() {
        let access = read(&[]).unwrap();
        assert_eq!(access.region, "eu-central-1");
        let keys = Keys { id: "id".to_owned(), secret: "secret".to_owned(), token: Some("token".to_owned()) };
        assert_eq!(access.keys, keys);
        assert_eq!((access.endpoint.as_deref(), &access.roots), (None, &Roots::Amazon));
        assert!(!access.fips && !access.dual_stack);
        assert!(!format!("{access:?}").contains("secret"), "credentials are never printed");
        let other = read(&[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "eu-west-1")]).unwrap();
        assert_eq!(other.region, "eu-west-1");
    }

    #[test]
    fn a_service_has_its_own_endpoint_or_that_of_all() {
        let all = ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566");
        let one = ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:8000");
        let access = read(&[all, one]).unwrap();
        assert_eq!(access.endpoint.as_deref(), Some(all.1));
        assert_eq!(endpoint_of(&access, "DynamoDB").as_deref(), Some(one.1));
        assert_eq!(endpoint_of(&access, "Kinesis"), None);
        let ignoring = read(&[all, one, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True")]).unwrap();
        assert_eq!((ignoring.endpoint.as_deref(), endpoint_of(&ignoring, "DynamoDB")), (None, None));
    }

    #[test]
    fn roots_are_amazons_unless_the_endpoint_or_the_variable_says_otherwise() {
        let https = ("AWS_ENDPOINT_URL_SNS", "https://localhost.localstack.cloud:4566");
        for (variables, expected) in [
            (&[("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")][..], Roots::Amazon),
            (&[https], Roots::Native),
            (&[https, (roots::VARIABLE, "amazon")], Roots::Amazon),
            (&[https, (roots::VARIABLE, "")], Roots::Native),
            (&[(roots::VARIABLE, "native")], Roots::Native),
            (&[(roots::VARIABLE, "/var/task/own.pem")], Roots::File("/var/task/own.pem".into())),
        ] {
            assert_eq!(read(variables).unwrap().roots, expected, "{variables:?}");
        }
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let wrong = [
            ("AWS_ACCESS_KEY_ID", ""),
            ("AWS_SECRET_ACCESS_KEY", ""),
            ("AWS_REGION", ""),
            ("AWS_USE_FIPS_ENDPOINT", "yes"),
            ("AWS_ENDPOINT_URL", "localhost:4566"),
            ("AWS_ENDPOINT_URL_KINESIS", "localhost"),
            (roots::VARIABLE, "system"),
        ];
        let errors = read(&wrong).unwrap_err();
        let variables: Vec<&str> = errors.0.iter().map(|error| error.variable).collect();
        assert_eq!(variables, wrong.map(|(variable, _)| variable));
        assert!(errors.to_string().contains("EVERCOUNT_TLS_ROOTS is `system`: expected `amazon`, `native`"));
    }
}
