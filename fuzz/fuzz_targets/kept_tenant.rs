//! A tenant as it is kept, and as an operator sends it: read, or refused, whatever stands there.
#![no_main]

use downbeat::auth::{KeptTenant, SealedFor, SealingKeys, TenantSettings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|texts: (&str, &str)| {
    let (settings, secrets) = texts;
    let keys = SealingKeys::new(&[1; 32], &[]).expect("a key");
    let sealed = format!("v1.{}.{secrets}", keys.current_name());
    assert!(keys.open(&sealed, SealedFor { tenant: "acme", field: "jwt_secret" }).is_err(), "nobody has the key");
    let kept = KeptTenant {
        id: "acme".to_owned(),
        change: 1,
        settings: settings.to_owned(),
        secrets: secrets.to_owned(),
        is_deleted: false,
        updated_at_us: 0,
    };
    let _ = kept.open(Some(&keys)).map(|settings| settings.build("acme"));
    if let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(settings) {
        // What is taken can be served.
        let _ = TenantSettings::parse("acme", fields).map(|settings| settings.build("acme").expect("it was checked"));
    }
});
