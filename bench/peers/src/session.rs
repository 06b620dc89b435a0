//! The peer's seller of sessions, with a channel of the first protocol version, which is what it keeps by default.
//!
//! It asks the chain for the channel with every voucher. Who answers here has a thread of its own, which is not
//! counted: what is measured is what the seller's own thread spends on asking.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use farthing_bench::side::app::PAID;
use mpp::{
    Address, Base64UrlJson, PaymentCredential, PrivateKeySigner, format_authorization,
    parse_authorization,
    protocol::methods::tempo::{
        ChannelState, InMemoryChannelStore, compute_channel_id,
        session_method::deduct_from_channel, sign_voucher, voucher::verify_voucher,
    },
    server::{
        Mpp, SessionChallengeOptions, SessionMethodConfig, TempoChargeMethod, TempoConfig,
        TempoProvider, TempoSessionMethod, tempo, tempo_provider,
    },
};

const CHAIN: u64 = 42431;
const PRICE: u128 = 100;
const DEPOSIT: u128 = 1 << 90;
const PATH_USD: &str = "0x20c0000000000000000000000000000000000000";
const ESCROW: Address = Address::repeat_byte(0xe5);
const PAYEE: Address = Address::repeat_byte(0x42);

type Seller = Mpp<TempoChargeMethod<TempoProvider>, TempoSessionMethod<TempoProvider>>;

/// A seller, a channel of it, and the channel's buyer.
pub(crate) struct Shop {
    selling: Arc<Selling>,
    buyer: PrivateKeySigner,
    channel: String,
    signed: u128,
}

struct Selling {
    seller: Seller,
    store: Arc<InMemoryChannelStore>,
}

impl Shop {
    /// Opens one, and a chain that knows its channel.
    pub(crate) fn open() -> Self {
        let buyer = PrivateKeySigner::from_slice(&[1; 32]).expect("a number below the order");
        let token: Address = PATH_USD.parse().expect("an address");
        let zero = Address::ZERO;
        let salt = [3; 32].into();
        let id = compute_channel_id(buyer.address(), PAYEE, token, salt, zero, ESCROW, CHAIN);
        let channel = format!("{id:#x}");
        let url = chain(buyer.address(), token);
        let store = Arc::new(InMemoryChannelStore::new());
        store.insert(
            &channel,
            ChannelState {
                channel_id: channel.clone(),
                chain_id: CHAIN,
                escrow_contract: ESCROW,
                payer: buyer.address(),
                payee: PAYEE,
                token,
                settlement_route: None,
                authorized_signer: buyer.address(),
                deposit: DEPOSIT,
                settled_on_chain: 0,
                highest_voucher_amount: 0,
                highest_voucher_signature: None,
                spent: 0,
                units: 0,
                finalized: false,
                closing: false,
                pending_close: None,
                close_requested_at: 0,
                created_at: String::new(),
            },
        );
        let config = SessionMethodConfig {
            escrow_contract: ESCROW,
            chain_id: CHAIN,
            min_voucher_delta: 0,
        };
        let provider = tempo_provider(&url).expect("a URL");
        let method = TempoSessionMethod::new(provider, store.clone(), config);
        let recipient = format!("{PAYEE:#x}");
        let seller = tempo(TempoConfig {
            recipient: &recipient,
        });
        let seller = seller
            .rpc_url(&url)
            .chain_id(CHAIN)
            .currency(PATH_USD)
            .realm("api.example.com")
            .secret_key("0123456789abcdef0123456789abcdef");
        let seller = Mpp::create(seller).expect("nothing is missing");
        let seller = seller.with_session_method(method);
        Self {
            selling: Arc::new(Selling { seller, store }),
            buyer,
            channel,
            signed: 0,
        }
    }

    /// The next voucher, as a credential.
    pub(crate) fn credential(&mut self, runtime: &tokio::runtime::Runtime) -> String {
        let (amount, signature) = self.voucher(runtime);
        let payload = serde_json::json!({
            "action": "voucher",
            "channelId": self.channel,
            "cumulativeAmount": amount.to_string(),
            "signature": format!("0x{}", hex(&signature)),
        });
        let seller = &self.selling.seller;
        let recipient = format!("{PAYEE:#x}");
        let options = SessionChallengeOptions {
            suggested_deposit: Some("10000"),
            unit_type: Some("request"),
            ..Default::default()
        };
        let price = PRICE.to_string();
        let challenge =
            seller.session_challenge_with_details(&price, PATH_USD, &recipient, options);
        let challenge = challenge.expect("a challenge can be made");
        let credential = PaymentCredential::new(challenge.to_echo(), payload);
        format_authorization(&credential).expect("a credential can be written")
    }

    fn voucher(&mut self, runtime: &tokio::runtime::Runtime) -> (u128, Vec<u8>) {
        self.signed += PRICE;
        let id = self.channel.parse().expect("32 bytes");
        let signed = sign_voucher(&self.buyer, id, self.signed, ESCROW, CHAIN);
        let signature = runtime.block_on(signed).expect("the key signs");
        (self.signed, signature.to_vec())
    }

    /// What checks vouchers that were signed beforehand, one at each call.
    pub(crate) fn check(
        mut self,
        runtime: &tokio::runtime::Runtime,
    ) -> impl FnMut() -> bool + use<> {
        let vouchers: Vec<_> = (0..256).map(|_| self.voucher(runtime)).collect();
        let id = self.channel.parse().expect("32 bytes");
        let signer = self.buyer.address();
        let mut turn = 0;
        move || {
            let (amount, signature) = &vouchers[turn % vouchers.len()];
            turn += 1;
            verify_voucher(ESCROW, CHAIN, id, *amount, signature, signer)
        }
    }

    /// Pays for one request. Its client of the chain keeps the connection that it opens for it, as that of
    /// a seller who runs for days does.
    pub(crate) fn ask_once(&mut self, runtime: &tokio::runtime::Runtime) {
        let credential = self.credential(runtime).parse();
        let credential = credential.expect("a credential is a header's value");
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, credential)]);
        let answer = runtime.block_on(sell(State(self.selling.clone()), headers));
        assert_eq!(answer.status(), StatusCode::OK, "the peer takes a voucher");
    }

    /// The priced route, as its documentation charges for one.
    pub(crate) fn app(&self) -> Router {
        Router::new()
            .route(PAID, get(sell))
            .with_state(self.selling.clone())
    }
}

async fn sell(State(shop): State<Arc<Selling>>, headers: HeaderMap) -> Response {
    const ANSWER: &str = "{\"city\":\"Ghent\",\"sky\":\"clear\",\"celsius\":21}";
    let said = headers.get(header::AUTHORIZATION);
    let credential = said.and_then(|it| parse_authorization(it.to_str().ok()?).ok());
    let Some(credential) = credential else {
        return StatusCode::PAYMENT_REQUIRED.into_response();
    };
    let verified = match shop.seller.verify_session(&credential).await {
        Ok(verified) => verified,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let channel = &verified.receipt.reference;
    let Ok(state) = deduct_from_channel(&*shop.store, channel, PRICE).await else {
        return StatusCode::PAYMENT_REQUIRED.into_response();
    };
    let Ok(mut receipt) = serde_json::to_value(&verified.receipt) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    receipt["spent"] = state.spent.to_string().into();
    let Ok(receipt) = Base64UrlJson::from_typed(&receipt) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    ([("payment-receipt", receipt.raw().to_owned())], ANSWER).into_response()
}

/// A chain that answers every call with the one channel it has. Returns where it listens.
fn chain(payer: Address, token: Address) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let address = |it: Address| format!("{:0>64}", hex(it.as_slice()));
    let words = [
        format!("{:064x}", 0),
        format!("{:064x}", 0),
        address(payer),
        address(PAYEE),
        address(token),
        address(payer),
        format!("{DEPOSIT:064x}"),
        format!("{:064x}", 0),
    ];
    let channel = format!("0x{}", words.concat());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let channel = channel.clone();
            thread::spawn(move || answer(stream, &channel));
        }
    });
    url
}

/// Answers on one connection until it ends.
fn answer(stream: TcpStream, channel: &str) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(bytes) = line.strip_prefix("content-length: ") {
                length = bytes.parse().ok()?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let asked: serde_json::Value = serde_json::from_slice(&body).ok()?;
        let said = serde_json::json!({ "jsonrpc": "2.0", "id": asked["id"], "result": channel });
        let said = said.to_string();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
        writer
            .write_all(format!("{head}{}\r\n\r\n{said}", said.len()).as_bytes())
            .ok()?;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
