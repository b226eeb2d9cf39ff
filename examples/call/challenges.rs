//! What a user pool asks beside the password.

use tower_client_auth::AuthError;
use tower_client_auth::cognito::{
    ChooseFactor, Code, CognitoError, Factor, NewPassword, SetUpTotp, SignIn,
};

use crate::exit::Failure;
use crate::output::{self, printable};
use crate::prompt;
use crate::sign_in::is_wrong;

/// Has the user answer one step.
pub(crate) async fn answer(step: SignIn) -> Result<SignIn, Failure> {
    match step {
        SignIn::Code(step) => code(step).await,
        SignIn::NewPassword(step) => new_password(step).await,
        SignIn::ChooseFactor(step) => choose(step).await,
        SignIn::SetUpTotp(step) => set_up(step).await,
        // Of a program's own kind, such as a custom challenge; or it is done, which is no step.
        other => Ok(SignIn::Done(other.tokens()?)),
    }
}

/// Says that an answer was wrong. Three times; then the pool's patience is over, or nearly.
pub(crate) fn again(error: &AuthError) {
    let words = CognitoError::of(error).and_then(CognitoError::message);
    let words = words.map_or_else(|| error.to_string(), str::to_owned);
    output::problem(&format!("{} Once more:", printable(&words)));
}

const ATTEMPTS: usize = 3;

async fn code(step: Code) -> Result<SignIn, Failure> {
    let to = step
        .sent_to()
        .map(|to| format!(" ({})", printable(to)))
        .unwrap_or_default();
    let question = match step.factor() {
        Factor::Sms => format!("Code in the text message{to}: "),
        Factor::Email => format!("Code in the email{to}: "),
        _ => format!("Code that your authenticator app shows{to}: "),
    };
    for _ in 1..ATTEMPTS {
        match step.answer(prompt::line(&question).await?).await {
            Err(error) if is_wrong(&error) => again(&error),
            answered => return Ok(answered?),
        }
    }
    Ok(step.answer(prompt::line(&question).await?).await?)
}

async fn new_password(mut step: NewPassword) -> Result<SignIn, Failure> {
    output::remark("the password was for the first time only: choose another");
    for name in step.required_attributes().to_vec() {
        let value = prompt::line(&format!("Your {}: ", printable(&name))).await?;
        step = step.attribute(&name, value);
    }
    loop {
        let password = prompt::secret("New password: ").await?;
        let repeated = prompt::secret("The same once more: ").await?;
        if password.expose() != repeated.expose() {
            output::problem("these two differ. Once more:");
            continue;
        }
        match step.answer(password).await {
            Err(error) if is_wrong(&error) => again(&error),
            answered => return Ok(answered?),
        }
    }
}

async fn choose(step: ChooseFactor) -> Result<SignIn, Failure> {
    let choices = step.choices();
    loop {
        for (at, factor) in choices.iter().enumerate() {
            let name = match factor {
                Factor::Sms => "a text message",
                Factor::Email => "an email",
                _ => "an authenticator app",
            };
            output::note(format_args!("{}  {name}", at + 1));
        }
        let number = prompt::line("Where is the code to come from? The number: ").await?;
        let number = number.parse::<usize>().ok();
        let chosen = number.and_then(|number| choices.get(number.checked_sub(1)?));
        match chosen {
            Some(factor) => return Ok(step.choose(*factor).await?),
            None => output::problem("there is no such number. Once more:"),
        }
    }
}

async fn set_up(mut step: SetUpTotp) -> Result<SignIn, Failure> {
    let secret = step.begin().await?;
    output::remark(
        "the user pool wants an authenticator app: enter this secret into it, or this URI",
    );
    // Base32, which neither a terminal nor a URI takes amiss.
    let secret = printable(secret.expose());
    output::line(&secret);
    output::line(format_args!("otpauth://totp/call?secret={secret}"));
    for _ in 1..ATTEMPTS {
        match step
            .finish(prompt::line("Code that the app shows now: ").await?)
            .await
        {
            Err(error) if is_wrong(&error) => again(&error),
            answered => return Ok(answered?),
        }
    }
    Ok(step
        .finish(prompt::line("Code that the app shows now: ").await?)
        .await?)
}
