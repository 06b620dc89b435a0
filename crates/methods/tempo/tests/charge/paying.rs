//! Every way to pay, with the balances of everybody to the unit.

use farthing_evm::{Address, TxHash};
use farthing_tempo::{Mode, ProofVersion, Sponsor, tip20, token::known};
use serde_json::{Value, json};

use crate::{
    buyer::{Buyer, account},
    shop::{PATH_USD, PAYEE, PRICE, SPONSOR, Setup, Shop, route, route_with},
};

/// What everybody has before and after: the payer, the payee, two others who get a part, and the sponsor.
struct Balances {
    token: Address,
    fee_token: Address,
    who: Vec<Address>,
    before: Vec<u64>,
    fees_before: u64,
    pays_fee: Address,
}

impl Balances {
    async fn new(shop: &Shop, token: Address, payer: Address, sponsored: bool) -> Self {
        let pays_fee = if sponsored {
            account(SPONSOR).address()
        } else {
            payer
        };
        let fee_token = if sponsored { PATH_USD } else { token };
        let who = vec![payer, PAYEE, other(1), other(2)];
        let mut before = Vec::new();
        for account in &who {
            before.push(shop.balance(token, *account).await);
        }
        Self {
            token,
            fee_token,
            before,
            fees_before: shop.balance(fee_token, pays_fee).await,
            who,
            pays_fee,
        }
    }

    /// That exactly these amounts went from the payer to the others, and the fee of the transaction, which
    /// the chain tells, from who had to pay it.
    async fn check(&self, shop: &Shop, hash: TxHash, paid: [u64; 3]) {
        let receipt = shop.receipt(hash).await.unwrap();
        let fee = u64::try_from(tip20::fee_of(&receipt).units()).unwrap();
        assert!(fee > 0);
        let payer_pays_fee = self.pays_fee == self.who[0];
        let fee_of_payer = if payer_pays_fee { fee } else { 0 };
        let total: u64 = paid.iter().sum();
        let mut after = Vec::new();
        for account in &self.who {
            after.push(shop.balance(self.token, *account).await);
        }
        assert_eq!(self.before[0] - after[0], total + fee_of_payer);
        for (at, amount) in paid.iter().enumerate() {
            assert_eq!(after[at + 1] - self.before[at + 1], *amount, "{at}");
        }
        let fees_after = shop.balance(self.fee_token, self.pays_fee).await;
        let spent = self.fees_before - fees_after;
        let expected = if payer_pays_fee { total + fee } else { fee };
        assert_eq!(spent, expected);
    }
}

fn other(number: u8) -> Address {
    Address::repeat_byte(0x50 + number)
}

/// The terms of the four kinds of charges.
fn kinds() -> [(&'static str, Value, [u64; 3]); 3] {
    let memo = |byte: &str| format!("0x{}", byte.repeat(32));
    let splits = json!({"splits": [
        {"recipient": other(1), "amount": "500"},
        {"recipient": other(2), "amount": "1", "memo": memo("22")},
    ]});
    [
        ("plain", json!({}), [PRICE, 0, 0]),
        ("memo", json!({"memo": memo("11")}), [PRICE, 0, 0]),
        ("splits", splits, [PRICE - 501, 500, 1]),
    ]
}

fn sponsored(setup: &mut Setup) {
    setup.options.sponsor = Some(Sponsor::new(account(SPONSOR), known::PATH_USD));
}

#[tokio::test]
async fn a_transaction_whose_fee_the_buyer_pays() {
    for (kind, terms, paid) in kinds() {
        let name = format!("tempo: pull, {kind}");
        let Some(shop) = Shop::open(&name, route_with(&terms)).await else {
            return;
        };
        let buyer = Buyer::number(0);
        let asked = shop.ask().await;
        let balances = Balances::new(&shop, asked.token(), buyer.address(), false).await;
        let answer = shop.buy(&buyer, &asked).await;
        balances.check(&shop, answer.hash(), paid).await;
        assert_eq!(shop.runs(), 1);
    }
}

#[tokio::test]
async fn a_transaction_whose_fee_the_seller_pays() {
    for (kind, terms, paid) in kinds() {
        let name = format!("tempo: pull, sponsored, {kind}");
        let shop = Shop::open_with(&name, |setup| {
            setup.route = route_with(&terms);
            sponsored(setup);
        });
        let Some(shop) = shop.await else {
            return;
        };
        // Somebody who has exactly the price, and nothing for a fee.
        let buyer = Buyer::with(
            farthing_evm::SigningKey::from_bytes([9; 32])
                .unwrap()
                .into(),
        );
        shop.fund(PATH_USD, buyer.address(), PRICE).await;
        let asked = shop.ask().await;
        assert!(asked.details.fee_payer);
        let balances = Balances::new(&shop, asked.token(), buyer.address(), true).await;
        let answer = shop.buy(&buyer, &asked).await;
        balances.check(&shop, answer.hash(), paid).await;
        assert_eq!(shop.balance(PATH_USD, buyer.address()).await, 0);
    }
}

#[tokio::test]
async fn a_transaction_that_the_buyer_sent() {
    for (kind, terms, paid) in kinds() {
        let name = format!("tempo: push, {kind}");
        let Some(shop) = Shop::open(&name, route_with(&terms)).await else {
            return;
        };
        let buyer = Buyer::number(0);
        let asked = shop.ask().await;
        // A memo that is the same for all says nothing of who paid.
        assert_eq!(asked.details.allows(Mode::Push), kind != "memo");
        let balances = Balances::new(&shop, asked.token(), buyer.address(), false).await;
        let signed = buyer.sign(buyer.transaction(&asked, shop.now()));
        let signed = signed.whole().unwrap();
        shop.send(&signed).await;
        let answer = shop.present(&buyer.push(&asked, signed.hash())).await;
        if kind == "memo" {
            answer.assert_not_taken("verification-failed", "push");
            assert_eq!(shop.runs(), 0);
            continue;
        }
        assert_eq!(answer.hash(), signed.hash());
        balances.check(&shop, signed.hash(), paid).await;
    }
}

#[tokio::test]
async fn what_the_seller_sponsors_it_sends_itself() {
    let Some(shop) = Shop::open_with("tempo: push, sponsored", sponsored).await else {
        return;
    };
    let buyer = Buyer::number(0);
    let asked = shop.ask().await;
    let own = farthing_tempo::Transaction {
        sponsored: false,
        fee_token: Some(asked.token()),
        ..buyer.transaction(&asked, shop.now())
    };
    let signed = buyer.sign(own).whole().unwrap();
    shop.send(&signed).await;
    let answer = shop.present(&buyer.push(&asked, signed.hash())).await;
    answer.assert_not_taken("verification-failed", "push");
}

#[tokio::test]
async fn a_price_in_two_currencies() {
    let both = |setup: &mut Setup| setup.options.tokens = vec![known::PATH_USD, known::ALPHA_USD];
    for (sponsors, at) in [(false, 0), (false, 1), (true, 0), (true, 1)] {
        let shop = Shop::open_with("tempo: two currencies", |setup| {
            both(setup);
            if sponsors {
                sponsored(setup);
            }
        });
        let Some(shop) = shop.await else {
            return;
        };
        let buyer = Buyer::number(0);
        let mut offers = shop.offers().await;
        assert_eq!(offers.len(), 2);
        let asked = offers.remove(at);
        let token = [known::PATH_USD.address, known::ALPHA_USD.address][at];
        assert_eq!(asked.token(), token);
        let balances = Balances::new(&shop, token, buyer.address(), sponsors).await;
        let answer = shop.buy(&buyer, &asked).await;
        balances.check(&shop, answer.hash(), [PRICE, 0, 0]).await;
    }
}

#[tokio::test]
async fn a_price_in_two_currencies_that_the_buyer_sent() {
    let both = |setup: &mut Setup| setup.options.tokens = vec![known::PATH_USD, known::ALPHA_USD];
    let Some(shop) = Shop::open_with("tempo: two currencies, push", both).await else {
        return;
    };
    let buyer = Buyer::number(0);
    let asked = shop.offers().await.remove(1);
    let balances = Balances::new(&shop, asked.token(), buyer.address(), false).await;
    let signed = buyer.sign(buyer.transaction(&asked, shop.now()));
    let signed = signed.whole().unwrap();
    shop.send(&signed).await;
    let answer = shop.present(&buyer.push(&asked, signed.hash())).await;
    assert_eq!(answer.hash(), signed.hash());
    balances.check(&shop, signed.hash(), [PRICE, 0, 0]).await;
}

#[tokio::test]
async fn nothing_is_paid_with_a_signature() {
    let free = farthing_server::Route::priced("$0").unwrap();
    let Some(shop) = Shop::open("tempo: proof", free).await else {
        return;
    };
    let buyer = Buyer::number(0);
    let asked = shop.ask().await;
    let trips = shop.node.round_trips();
    let credential = buyer.prove(&asked, ProofVersion::V3);
    let answer = shop.present(&credential).await;
    assert_eq!(answer.reference(), asked.challenge.id.as_str());
    assert_eq!(shop.node.round_trips(), trips, "nobody was asked");
    // Once.
    let again = shop.present(&credential).await;
    assert_eq!((again.status, again.kind()), (402, "invalid-challenge"));
    assert_eq!(shop.runs(), 1);
    // The draft's own version is never taken, and the one before only where the seller says so.
    let asked = shop.ask().await;
    let older = shop.present(&buyer.prove(&asked, ProofVersion::V2)).await;
    older.assert_refused("verification-failed", "signature");
}

#[tokio::test]
async fn a_payment_costs_two_round_trips() {
    let Some(shop) = Shop::open("tempo: round trips", route()).await else {
        return;
    };
    let buyer = Buyer::number(0);
    for push in [false, true] {
        let asked = shop.ask().await;
        let transaction = buyer.transaction(&asked, shop.now());
        let credential = if push {
            let signed = buyer.sign(transaction).whole().unwrap();
            shop.send(&signed).await;
            buyer.push(&asked, signed.hash())
        } else {
            buyer.pull(&asked, transaction)
        };
        let _ = shop.proxy.take();
        let trips = shop.node.round_trips();
        assert_eq!(shop.present(&credential).await.status, 200);
        let asked = shop.proxy.take();
        assert_eq!(shop.node.round_trips() - trips, 2, "{asked:?}");
        assert_eq!(asked.len(), 2, "{asked:?}");
    }
}
