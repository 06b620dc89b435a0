//! The walk: a request without a payment, the same with one, and the same payment again.

use farthing::{
    client::{Policy, Step, Target},
    core::{
        header::www_authenticate,
        noun::{Challenge, problem::Problem},
        value::Amount,
    },
};
use http::{HeaderMap, Method, StatusCode, header::WWW_AUTHENTICATE};
use reqwest::Url;

use super::{
    Demo,
    rail::{Balances, Fees},
    show,
};
use crate::{
    buyer::{self, Buyer, Rails},
    error::Error,
    keystore::WalletName,
    screen::{self, Paint},
};

/// An answer, read whole.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

pub(super) async fn walk(demo: &Demo) -> Result<(), Error> {
    let paint = Paint::for_stdout();
    let url = demo.at("/paid");
    let http = buyer::http().no_proxy().build().map_err(broken)?;
    let put = |text: String| screen::data(text).map_err(Error::System);

    let before = demo.shop.rail.balances().await?;
    let unpaid = fetch(http.get(&url)).await?;
    put(show::unpaid(demo, &unpaid, &challenge(&unpaid)?, paint))?;

    let cent = "$0.01".parse().expect("it is a price");
    let limits = Policy::new().max_per_request(cent);
    let rails = Rails::of(&demo.buyer)?;
    let buyer = Buyer::new(
        &demo.buyer,
        Some(&WalletName::default_name()),
        limits,
        rails,
    )?;
    let client = buyer.client(None)?;
    let target = Url::parse(&url).map_err(|_| Error::Demo("its URL is none"))?;
    let target = Target::new(Method::GET, target);
    let offers = client.offers(&target, &unpaid.headers)?;
    let choice = offers.into_iter().next();
    let choice = choice.ok_or(Error::Demo("there is nothing to pay with"))?;
    let ticket = client.credential(&target, choice).await?;
    let (name, value) = ticket.header()?;
    let with_payment = || http.get(&url).header(name.clone(), value.clone());
    let served = fetch(with_payment()).await?;
    let settled = client
        .settle(ticket, served.status, &served.headers, &served.body)
        .await?;
    let Step::Served(outlay) = settled else {
        return Err(Error::Demo("the payment was not served"));
    };
    let after = demo.shop.rail.balances().await?;
    let fees = Fees {
        buyer: demo.shop.rail.fee(outlay.reference.as_ref()).await?,
        ..Fees::default()
    };
    put(show::paid(&served, &name, value.len(), &outlay, paint))?;
    put(show::moved(
        &demo.shop.rail.money()?,
        before,
        after,
        fees,
        paint,
    ))?;
    check(before, after, outlay.amount, fees)?;

    let replayed = fetch(with_payment()).await?;
    put(show::replayed(
        &replayed,
        problem(&replayed).as_ref(),
        paint,
    ))?;
    buyer.close().await;
    let at_last = demo.shop.rail.balances().await?;
    if replayed.status.is_success() || at_last.buyer != after.buyer {
        return Err(Error::Demo("a payment was taken twice"));
    }
    Ok(())
}

/// The demo shows sums that are right, or none.
pub(super) fn check(
    before: Balances,
    after: Balances,
    price: Amount,
    fees: Fees,
) -> Result<(), Error> {
    let left = before.buyer.checked_sub(price);
    let left = left.and_then(|left| left.checked_sub(fees.buyer));
    let earned = before.seller.checked_add(price);
    let earned = earned.and_then(|earned| earned.checked_sub(fees.seller));
    if left == Some(after.buyer) && earned == Some(after.seller) {
        Ok(())
    } else {
        Err(Error::Demo("the balances do not add up"))
    }
}

async fn fetch(request: reqwest::RequestBuilder) -> Result<Answer, Error> {
    let response = request.send().await.map_err(broken)?;
    Ok(Answer {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.bytes().await.map_err(broken)?.into(),
    })
}

fn broken(error: reqwest::Error) -> Error {
    farthing::client::Error::Transport(error.into()).into()
}

fn challenge(answer: &Answer) -> Result<Challenge, Error> {
    let lines = answer.headers.get_all(WWW_AUTHENTICATE);
    let lines = lines.iter().map(http::HeaderValue::as_bytes);
    let challenges = www_authenticate::parse(lines);
    let first = challenges.into_iter().find_map(Result::ok);
    first.ok_or(Error::Demo("the 402 has no challenge"))
}

fn problem(answer: &Answer) -> Option<Problem> {
    Problem::parse(&answer.body, answer.status.as_u16()).ok()
}
