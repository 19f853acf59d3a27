//! beGateway's Content-Signature, made with a real key. The keys are made for these tests alone and
//! open nothing.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use refundry::testing::clock::ManualClock;
use refundry::testing::gateways::{Gateway, Raw, Unheard};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::json;

use crate::harness::payouts::START;
use crate::harness::provider::gateway;

const OURS: &str = "\
-----BEGIN PRIVATE KEY-----
MIIEvwIBADANBgkqhkiG9w0BAQEFAASCBKkwggSlAgEAAoIBAQC9mQNejVMRAIjL
9LMfjoHStdXCCOAh6BdMT7LsjbGCt3296POgwu9V2EOwaPmPjVyg/8T+6DVBY6UC
cDbOEiCA9xpWTnAqEjJl14QuCYwMtEFaCO1F5NyDwCsCPJNM3jzq/VpJfq8BkAL+
yqh1MmA6d8Uv2XWwjUyetVHoN8aTGKlKEbjTcP5I5hvU5nnQlR/Y8g//LnrU77gc
lf3wC6tgw/UrxKr1RjdH/nbAIQV2oUyR1RoBgsZBSVvjjrsarFdTmp0iN3FIwJeH
TMR/a15QLOOtltKD0gGp2xhJ05VHsEFd0EBRdKgRPpd4DBASrJWyzZICe9NMyVD0
LVr85oOJAgMBAAECggEAAd2wp8ySRbeQoRk+bhAT/QPnH6rAsfS7zfd21lcqqROv
PCA/zZQ9kMW5HNJbqmsEv1zlDnEwnP0jEZwTHgIVqc9Exhatiex17ISre1yCsVlQ
z1cJJsfy16Ubh0EbXgVN6i4mJlUF2ekV7nYGJGkjg0/MdAUa4GrzlxhHvxZVcPsn
yu/NpCJ60yaOHmiU10l7raVxq4u3cc4J+1iZO3BNzem7yX+KFzfWHe+AZEHAKB9m
pVjfFKDMtJzmlsDsLR74UfXw5Yggm0fFdxDSgTNI9ZVC0fgqupXTg9PglMIFcF9T
CocoxgoRZXOP7ZTEIckg2g6/Hj6fmQ4uMRQvkl89VQKBgQD1A/RhfqTdnzuhXjOh
bgUMEPMI1KuZFuEL+A7SS6K+4dA1wCjnmc7EVqOzlmKtJIgv+zqcM3IFRNf9bex/
Araq6w6/zzY3lLc2F2cXEzPe2Hy1sISnPkKTwtHv4bpRjGcqHVtNmvTqovFY4xGq
J8IaVl8jPlwKa4Vn7x0Ls67WawKBgQDGGQdIRhBpC4yaoH31aS50LSguEPTLtLyZ
Vej5nj5b8EB34vINrHaFsASBX6pV/VZTddo48W/gkwYgSJTEnBGtoGfNqFQfWJmO
WfQi5VrCMu/rnWxiigDnGBh5hNVREedKHQ2idd4HcePqYeZFJyQtGR4wdNjNX5E1
Hxv1XYjC2wKBgQDacgIqAj1/Ef6aKmCh5nM9hMcJ8oJjZRCUGT8tox2gTbfSlFZj
1q+QQSaGcOfdMprxHG3u4bcgl3ZyjtSxkHvH+vYVcOsHtuF5qnfRDN/MKPtXCd/b
NBkroCCIXJo/Joy78Zx7nlIJ9+hxtVEEgZn+3U7JH0n0SFSSi4875aFVrQKBgQCL
kD6NMK+HElfw6HlVWNEdkGLqcY/FpIPrE5ebpV0RsOX6kK0v7P1jmmrSKu/6vQ0A
p9simxbTBUIfpIMLMVlTFduMDLeXjfhBTiauHyAeCXz2ZmZh1hBkv5keo/MVtqNY
l7dvadMPM7H7AxYUSks2aqfWQ7wqlNXcsxojd85OWQKBgQCv6l737hb+2OGAwOkI
oEr/1Vs0Wf3u0JLd+qFJXoMOiuBtcmCUbzNf8Aq8/M1cCnZrmHbc+tSneEBFWPkT
udaFcTtqRpfv1Z+uR7crJv8KwAopPkHfsDeDtKwh1Nbo0zM+gQGbzLHifaX3fF5B
3ZNMPe514ilCInnWHg2K55/Z2w==
-----END PRIVATE KEY-----
";
const OURS_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvZkDXo1TEQCIy/SzH46B
0rXVwgjgIegXTE+y7I2xgrd9vejzoMLvVdhDsGj5j41coP/E/ug1QWOlAnA2zhIg
gPcaVk5wKhIyZdeELgmMDLRBWgjtReTcg8ArAjyTTN486v1aSX6vAZAC/sqodTJg
OnfFL9l1sI1MnrVR6DfGkxipShG403D+SOYb1OZ50JUf2PIP/y561O+4HJX98Aur
YMP1K8Sq9UY3R/52wCEFdqFMkdUaAYLGQUlb4467GqxXU5qdIjdxSMCXh0zEf2te
UCzjrZbSg9IBqdsYSdOVR7BBXdBAUXSoET6XeAwQEqyVss2SAnvTTMlQ9C1a/OaD
iQIDAQAB
-----END PUBLIC KEY-----
";
const ANOTHER: &str = "\
-----BEGIN PRIVATE KEY-----
MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDT1/cieWfZ/1Rh
SbTYYSdneLM5cvUzvd2pKcewh5aOpzNCmUoEMPcy5t0++P6YLN/q5cOG0p1WiZDf
9HKhCPM1AzUeX12mnFUhg3QGmuw3zrTQ23HB0DpetTBYEkEmGK/ES7EKeFINShtW
dBrF2NU9KCCUF/iccZ4oDwf8aLPOXJziVNhgjOQonSkmULXFNthPsdV3w7WVLiYm
cw1gG2lnEjHdBOrQaLgjup5tCCu92dPiAbyFl1bhuRyRQkoE4+O1v1SLefyppxyJ
1yAY/9yr7QBObUcmLriIwpNT0/Z5AvhtohKl9v/z5nSU5b6c2msWvG6G8g1aqP6f
KOFaR/37AgMBAAECggEABKcwOvYetVeZ418qlTwhEPFCQodHYoEPntkXlUWNJYn/
or1aNlha/ae7gVgXw4Ds1CyCzHHQ2edAouKsJ+RZ7zaoUof2tyOk7Q0FneWGPb2R
FCtVxtOLjKv/KVgRTURqi+27sEavSrJvgkkfk2vtVyAMAyS5pboLJscZvk4QcP5m
f+XZ+uCaXUmvYFYfz3z8gGd8CRkrMqeJEk/41qx+kbJzrvYsmP1Fc8XsmtZl5SAM
EEiHINCXMqIY+4m1XYYZTcG6kVk20kDTB5D41RDPbeL8+CPDRRUY7ieDBivFlPGx
G9yh7/BJKnqj1qI4KWG2NMq1wLZqsD/uCBjaduXYdQKBgQD/Hw+1yAKk/pDQ9/kS
Z141XACw6a3bo0xAzHLO1qE4kC2ZuWsr8LJaM+BpJ1danxR19VYeRCdzlCXCFgo2
xdtAaT2HlsihOMsTiTe7wiNiOSjhCYfgoZOqdvFzNV3EYtLDtz7kZ/POIsT9qcCJ
wS3nKslfYygy2/0Y8Xj3HQUITwKBgQDUkr8Q3DF2OZmym81uQvCOyV5ehBcLJiAw
P8MKZ3NjwaMrrB4i9+v+9nRT5yshDhB4c+atONyicNL/2RWXbbkV2mrNNXcVpQeO
OUOlEPHorH1eHNdHPuqMBi2/hQXBkJUIEK/dfYzpp+gOCJFHx7CARnwTmXz0m4yi
5RrJHdFYlQKBgQCbKZYRdiL9nIIRRi/rHIk0pM8ayhTed5Ph+TZ+TBVj5HSHgTkI
UWz35YNAERhU2lnEYEFPSR5BckIAqAzwQSfXJeqxM2i0fWktaZBHFo0UqTUOoRBN
85du3sZ8zmFIFt6fAC01F3A11/m9WWfroF09sk0lQZZqUFe/uuVaTgEIiwKBgQC+
gd12UMCLQcf7CCKtxJQug01ty1eTiFGkrCAx/NCvAGUpyJEhqar4zwsl/rDqaN5d
9RExARrLAe43mOf+1Djh2uOIkXfuD/6bebqj/nGuopegdpyAn2Q4pXjugVrNRLQr
jDjweYqGBRK1MPxypgYKkCC2uAICfj0l58l/oJdzmQKBgEbp22ZvpeKaj4ClKRwa
ZkGb9aFlSBycgzvwxORfshGnlc8mUJKh1HEuokSTXZ3tqGZVXFEo2idG7X0o0EaR
5j5b1MPgKh56hJmawNS7Q9DP0thY1+5edwxzA/24TN0I+DerI8KiZMgV+383ni6S
BpdxDaWavvIJdq9rGfg+tGB9
-----END PRIVATE KEY-----
";

fn shop(public_key: &str) -> Arc<dyn Gateway> {
    let clock = Arc::new(ManualClock::at(START));
    let settings =
        [("base_url", "http://127.0.0.1:9"), ("shop_id", "361"), ("public_key", public_key)];
    gateway("begateway", &clock, &settings, &[("shop_key", "secret")])
}

fn signature(private: &str, body: &str) -> String {
    let bare: String = private.lines().filter(|line| !line.starts_with("-----")).collect();
    let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(bare).unwrap()).unwrap();
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), body.as_bytes(), &mut signature).unwrap();
    STANDARD.encode(signature)
}

fn notice(body: &str, headers: &[(&'static str, String)]) -> Raw {
    let mut raw = Raw { headers: Default::default(), body: body.to_owned().into(), at: START };
    for (name, value) in headers {
        raw.headers.insert(*name, value.parse().unwrap());
    }
    raw
}

fn body() -> String {
    let row = json!({"uid": "p-1", "type": "refund", "status": "successful", "tracking_id": "k-1"});
    json!({"transaction": row}).to_string()
}

fn signed(private: &str) -> Raw {
    let body = body();
    notice(&body, &[("content-signature", signature(private, &body))])
}

#[tokio::test]
async fn a_notification_that_the_shops_key_signed_is_heard() {
    let bare: String = OURS_PUBLIC.lines().filter(|line| !line.starts_with("-----")).collect();
    for key in [OURS_PUBLIC, &bare] {
        let heard = shop(key).hear(&signed(OURS)).await.unwrap();
        assert_eq!(heard.len(), 1);
        assert_eq!(heard[0].key.as_deref(), Some("k-1"));
        assert_eq!(heard[0].reference.as_deref(), Some("p-1"));
    }
}

#[tokio::test]
async fn a_body_that_was_altered_is_refused() {
    let shop = shop(OURS_PUBLIC);
    for (from, to) in [("k-1", "k-2"), ("successful", "failed"), ("p-1", "p-1 ")] {
        let mut altered = signed(OURS);
        altered.body = body().replace(from, to).into();
        assert!(matches!(shop.hear(&altered).await, Err(Unheard::Forged(_))), "{from}");
    }
    let mut longer = signed(OURS);
    longer.body = format!("{} ", body()).into();
    assert!(matches!(shop.hear(&longer).await, Err(Unheard::Forged(_))));
}

#[tokio::test]
async fn another_key_no_signature_and_mere_credentials_are_refused() {
    let shop = shop(OURS_PUBLIC);
    let refused = async |raw: Raw| matches!(shop.hear(&raw).await, Err(Unheard::Forged(_)));
    assert!(refused(signed(ANOTHER)).await);
    // Where there is a key, the shop's credentials alone prove nothing.
    let basic = ("authorization", "Basic MzYxOnNlY3JldA==".to_owned());
    assert!(refused(notice(&body(), std::slice::from_ref(&basic))).await);
    let odd = ["", "AAAA", "no base64", &STANDARD.encode([0; 256])];
    for odd in odd {
        assert!(refused(notice(&body(), &[("content-signature", odd.to_owned())])).await, "{odd}");
    }
    for key in ["", "no key", "MIIB"] {
        let shop = self::shop(key);
        assert!(matches!(shop.hear(&signed(OURS)).await, Err(Unheard::Forged(_))), "{key}");
    }
}
