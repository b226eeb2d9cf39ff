//! Which APIs of a configuration a layer is for.

use super::api::Api;
use super::builder::Builder;
use super::selected::Selected;
use super::selector::AuthSelector;
use crate::config::{ApiConfig, ApiKind};
use crate::error::{AuthError, AuthErrorKind};
use crate::suggest;

/// Which APIs of a configuration a layer is for. It outlives the configuration: another has others.
#[derive(Clone)]
pub(super) enum Which {
    All,
    Named(Vec<String>),
    Only,
    OnlyOf(ApiKind),
}

impl Which {
    pub(super) fn named<N: AsRef<str>>(apis: impl IntoIterator<Item = N>) -> Self {
        let mut names: Vec<String> = Vec::new();
        for api in apis {
            if !names.iter().any(|name| name == api.as_ref()) {
                names.push(api.as_ref().to_owned());
            }
        }
        Self::Named(names)
    }
}

impl AuthSelector {
    /// What authorizes the requests to these APIs.
    pub(super) fn select(&self, which: &Which) -> Result<Selected, AuthError> {
        let apis = self.config.apis.iter();
        match which {
            Which::All if self.config.apis.is_empty() => {
                Err(configuration("the configuration has no APIs"))
            }
            Which::Named(names) if names.is_empty() => {
                Err(configuration("no API is named that the layer could be for"))
            }
            Which::All => self.select_each(apis.map(|(name, _)| name)),
            Which::Named(names) => self.select_each(names.iter()),
            Which::Only => self.select_each([self.only(|_| true, "")?].into_iter()),
            Which::OnlyOf(kind) => {
                let name = self.only(|api| api.kind == *kind, kind.as_str())?;
                self.select_each([name].into_iter())
            }
        }
    }

    fn select_each<'a>(
        &self,
        names: impl Iterator<Item = &'a String>,
    ) -> Result<Selected, AuthError> {
        let (mut apis, mut errors) = (Vec::new(), Vec::new());
        for name in names {
            match self.build(name) {
                Ok(api) => apis.push(api),
                Err(error) => errors.push(error),
            }
        }
        // All at once, so that they can be mended at once.
        match joined(errors) {
            Some(error) => Err(error),
            None => Selected::new(apis),
        }
    }

    fn only(&self, wanted: impl Fn(&ApiConfig) -> bool, kind: &str) -> Result<&String, AuthError> {
        let mut names = self.config.apis.iter().filter(|(_, api)| wanted(api));
        let space = if kind.is_empty() { "" } else { " " };
        match (names.next(), names.next()) {
            (Some((name, _)), None) => Ok(name),
            (None, _) => Err(configuration(format!(
                "the configuration has no {kind}{space}APIs"
            ))),
            (Some(_), Some(_)) => Err(configuration(format!(
                "the configuration has several {kind}{space}APIs: name one of {}",
                self.names(wanted)
            ))),
        }
    }

    fn names(&self, wanted: impl Fn(&ApiConfig) -> bool) -> String {
        let apis = self.config.apis.iter();
        suggest::list(
            apis.filter(|(_, api)| wanted(api))
                .map(|(name, _)| name.as_str()),
        )
    }

    pub(super) fn find(&self, name: &str) -> Result<&ApiConfig, AuthError> {
        self.config.apis.get(name).ok_or_else(|| {
            let names = self.config.apis.keys().map(String::as_str);
            configuration(match suggest::nearest(name, names) {
                _ if self.config.apis.is_empty() => {
                    format!("there is no API `{name}`: the configuration has none")
                }
                Some(near) => format!("there is no API `{name}`: did you mean `{near}`?"),
                None => format!(
                    "there is no API `{name}`: there are {}",
                    self.names(|_| true)
                ),
            })
        })
    }

    fn build(&self, name: &str) -> Result<Api, AuthError> {
        let config = self.find(name)?;
        Builder::new(name, config, self.own.get(name), &self.all)?.build()
    }
}

/// One error of several.
pub(super) fn joined(errors: Vec<AuthError>) -> Option<AuthError> {
    let first = errors.first()?.clone();
    let mut messages: Vec<_> = errors.iter().map(AuthError::to_string).collect();
    // Layers of one configuration have APIs in common.
    let mut seen = std::collections::BTreeSet::new();
    messages.retain(|message| seen.insert(message.clone()));
    Some(match messages.len() {
        1 => first,
        _ => AuthError::new(first.kind(), messages.join("; ")),
    })
}

pub(super) fn configuration(message: impl Into<std::borrow::Cow<'static, str>>) -> AuthError {
    AuthError::new(AuthErrorKind::Configuration, message)
}
