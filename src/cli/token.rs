//! `downbeat token`: a token for trying things out.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use thiserror::Error;

use super::{SettingsError, setting::Env, settings::config_path, tenant_file};
use crate::{
    auth::{Grant, MintError, Problem, Tenants, mint},
    room::TokenRole,
};

/// Mint a token for trying things out
///
/// Prints a token, and nothing else, signed with the tenant's secret from the file. Whoever has it is that
/// teacher or student until it ends. Tenants that have only a key set get their tokens from their own identity
/// provider: Downbeat cannot sign those.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TokenArgs {
    /// The tenant's id; may be left out when the file has a default_tenant
    #[arg(long, value_name = "ID")]
    pub tenant: Option<String>,
    /// What the token's owner may do
    #[arg(long, value_enum, default_value = "student")]
    pub role: RoleArg,
    /// The student's or teacher's id, 1 to 64 printable characters; without it the client names itself
    #[arg(long, value_name = "ID")]
    pub sub: Option<String>,
    /// The name that the others see
    #[arg(long)]
    pub name: Option<String>,
    /// How long the token is good: 90s, 15m, 1h, 7d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_ttl)]
    pub ttl: i64,
    /// The TOML file with the tenants [env: DOWNBEAT_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  downbeat token --config downbeat.toml --tenant acme --role teacher --sub ada
  downbeat token --config downbeat.toml --tenant acme --sub bob --name Bob --ttl 7d
  curl -X POST http://127.0.0.1:4000/api/music/rooms \\
    -H \"Authorization: Bearer $(downbeat token --config downbeat.toml --tenant acme --role teacher --sub ada)\"

`downbeat dev` needs no such token: it prints its own links.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    Teacher,
    Student,
}

/// Why there is no token.
#[derive(Debug, Error)]
pub enum TokenError {
    #[error("--config or DOWNBEAT_CONFIG must name the TOML file with the tenants")]
    NoConfig,
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("--tenant is {given:?}: must be one of the file's tenants: {known}")]
    UnknownTenant { given: String, known: String },
    #[error("--tenant must be given, as the file has no default_tenant; its tenants: {known}")]
    NoTenant { known: String },
    #[error(transparent)]
    Mint(#[from] MintError),
    #[error("the token could not be written: {0}")]
    Output(#[from] io::Error),
}

/// `downbeat token`: prints the token alone, so that a script can take it; a person gets a hint beside it.
pub fn print_token(args: &TokenArgs, env: Env<'_>, now_s: i64) -> Result<(), TokenError> {
    let token = mint_token(args, env, now_s)?;
    writeln!(io::stdout(), "{token}")?;
    if io::stdout().is_terminal() {
        let hint = "Pass it as the query value `token` of the socket, or as `Authorization: Bearer …`.";
        writeln!(io::stderr(), "Good for {} s. {hint}", args.ttl)?;
    }
    Ok(())
}

/// Makes the token that `downbeat token` prints, at `now_s` (seconds since the epoch).
pub fn mint_token(args: &TokenArgs, env: Env<'_>, now_s: i64) -> Result<String, TokenError> {
    let path = config_path(args.config.as_deref(), env).ok_or(TokenError::NoConfig)?;
    let wrong = |problems: Vec<Problem>| TokenError::Settings(SettingsError(problems));
    let mut file = tenant_file::read(&path).map_err(|problem| wrong(vec![problem]))?;
    let mut problems = Vec::new();
    let tenants = tenant_file::take_tenants(&mut file, tenant_file::folder(&path), &mut problems);
    let Some(tenants) = tenants else {
        return Err(wrong(problems));
    };
    let tenant = match &args.tenant {
        Some(id) => {
            tenants.get(id).ok_or_else(|| TokenError::UnknownTenant { given: id.clone(), known: known(&tenants) })?
        }
        None => tenants.default_tenant().ok_or_else(|| TokenError::NoTenant { known: known(&tenants) })?,
    };
    let role = match args.role {
        RoleArg::Teacher => TokenRole::Teacher,
        RoleArg::Student => TokenRole::Student,
    };
    let grant = Grant { sub: args.sub.clone(), role, name: args.name.clone(), room: None, ttl_s: args.ttl };
    Ok(mint(&tenant, &grant, now_s)?)
}

fn known(tenants: &Tenants) -> String {
    let ids: Vec<String> = tenants.all().iter().map(|tenant| tenant.id.to_string()).collect();
    if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
}

/// `90s`, `15m`, `1h`, `7d` in seconds; at most ten years.
fn parse_ttl(text: &str) -> Result<i64, String> {
    const TEN_YEARS_S: i64 = 10 * 366 * 86_400;
    let unit_s = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        _ => 0,
    };
    text.get(..text.len().saturating_sub(1))
        .and_then(|number| number.parse::<i64>().ok())
        .and_then(|number| number.checked_mul(unit_s))
        .filter(|seconds| (1..=TEN_YEARS_S).contains(seconds))
        .ok_or_else(|| "must be a time such as 90s, 15m, 1h or 7d, and at most ten years".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_number_and_a_unit() {
        assert_eq!(parse_ttl("90s"), Ok(90));
        assert_eq!(parse_ttl("15m"), Ok(900));
        assert_eq!(parse_ttl("1h"), Ok(3_600));
        assert_eq!(parse_ttl("7d"), Ok(604_800));
        for bad in ["", "h", "1", "0s", "-1h", "1.5h", "1 h", "9999999999999999999d", "99999d", "1é"] {
            assert!(parse_ttl(bad).is_err(), "{bad}");
        }
    }
}
