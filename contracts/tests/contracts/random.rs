//! Any sequence of calls does what a model of the rules does, and no token appears or is lost.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolError;
use farthing_contracts::abi::{
    ChannelReserve::{self as V2, ChannelDescriptor},
    TempoStreamChannel as V1,
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tokio::runtime::Runtime;

use crate::{
    escrow::Escrow,
    reserve::{self, Reserve},
    world::{Kind, RICH, Who, World},
};

/// How many sequences each contract is tried with, and how long each is at the most. A chain is slow.
const SEQUENCES: u32 = 12;
const STEPS: usize = 40;

/// How many channels a sequence begins with. Steps name these, and one more that may never be opened.
const CHANNELS: usize = 2;

const GRACE: u64 = 15 * 60;

#[derive(Clone, Debug)]
enum Step {
    Open {
        deposit: u8,
    },
    TopUp {
        channel: usize,
        by: Who,
        amount: u8,
    },
    Settle {
        channel: usize,
        by: Who,
        amount: u8,
        signer: Who,
    },
    Close {
        channel: usize,
        by: Who,
        amount: u8,
        capture: u8,
        signer: Who,
    },
    Request {
        channel: usize,
        by: Who,
    },
    Withdraw {
        channel: usize,
        by: Who,
    },
    Wait {
        seconds: u64,
    },
}

/// Mostly the one who may.
fn mostly(who: Who, other: Who) -> impl Strategy<Value = Who> {
    prop_oneof![9 => Just(who), 1 => Just(other)]
}

fn deposit() -> impl Strategy<Value = u8> {
    20..60_u8
}

fn sequence() -> impl Strategy<Value = Vec<Step>> {
    let opened = vec(
        deposit().prop_map(|deposit| Step::Open { deposit }),
        CHANNELS,
    );
    (opened, vec(step(), STEPS / 2..=STEPS)).prop_map(|(mut steps, more)| {
        steps.extend(more);
        steps
    })
}

fn step() -> impl Strategy<Value = Step> {
    let channel = 0..=CHANNELS;
    let payer = || mostly(Who::Payer, Who::Payee);
    let payee = || mostly(Who::Payee, Who::Payer);
    let signer = || mostly(Who::Payer, Who::Stranger);
    let amount = 0..50_u8;
    prop_oneof![
        1 => deposit().prop_map(|deposit| Step::Open { deposit }),
        2 => (channel.clone(), payer(), 0..20_u8)
            .prop_map(|(channel, by, amount)| Step::TopUp { channel, by, amount }),
        5 => (channel.clone(), payee(), amount.clone(), signer())
            .prop_map(|(channel, by, amount, signer)| Step::Settle { channel, by, amount, signer }),
        2 => (channel.clone(), payee(), amount.clone(), amount, signer()).prop_map(
            |(channel, by, amount, capture, signer)| Step::Close { channel, by, amount, capture, signer }
        ),
        2 => (channel.clone(), payer()).prop_map(|(channel, by)| Step::Request { channel, by }),
        3 => (channel, payer()).prop_map(|(channel, by)| Step::Withdraw { channel, by }),
        2 => prop_oneof![Just(GRACE), 1..GRACE].prop_map(|seconds| Step::Wait { seconds }),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Channel {
    deposit: u64,
    settled: u64,
    requested: Option<u64>,
    over: bool,
}

/// The rules, over numbers.
struct Model {
    version: Version,
    channels: Vec<Channel>,
    deposited: u64,
    paid: u64,
    refunded: u64,
    now: u64,
}

type Ruled = Result<(), [u8; 4]>;

impl Model {
    const fn new(version: Version, now: u64) -> Self {
        Self {
            version,
            channels: Vec::new(),
            deposited: 0,
            paid: 0,
            refunded: 0,
            now,
        }
    }

    /// What the step is answered with; where it is done, the numbers are as after it.
    fn apply(&mut self, step: &Step) -> Ruled {
        match *step {
            Step::Open { deposit } => {
                self.channels.push(Channel {
                    deposit: deposit.into(),
                    ..Channel::default()
                });
                self.deposited += u64::from(deposit);
            }
            Step::TopUp {
                channel,
                by,
                amount,
            } => {
                let channel = self.find(channel, by, Who::Payer)?;
                channel.deposit += u64::from(amount);
                channel.requested = None;
                self.deposited += u64::from(amount);
            }
            Step::Settle {
                channel,
                by,
                amount,
                signer,
            } => {
                let channel = self.find(channel, by, Who::Payee)?;
                let delta = channel.settle(amount.into(), signer)?;
                self.paid += delta;
            }
            Step::Close {
                channel,
                by,
                amount,
                capture,
                signer,
            } => {
                let version = self.version;
                let channel = self.find(channel, by, Who::Payee)?;
                let (delta, rest) = match version {
                    Version::One => channel.close_exactly(amount.into(), signer)?,
                    Version::Two => channel.capture(amount.into(), capture.into(), signer)?,
                };
                self.paid += delta;
                self.refunded += rest;
            }
            Step::Request { channel, by } => {
                let now = self.now + 1;
                let channel = self.find(channel, by, Who::Payer)?;
                channel.requested.get_or_insert(now);
            }
            Step::Withdraw { channel, by } => {
                let now = self.now;
                let channel = self.find(channel, by, Who::Payer)?;
                if channel.requested.is_none_or(|asked| now < asked + GRACE) {
                    return Err(V1::CloseNotReady::SELECTOR);
                }
                channel.over = true;
                let rest = channel.deposit - channel.settled;
                self.refunded += rest;
            }
            Step::Wait { .. } => {}
        }
        Ok(())
    }

    fn find(&mut self, channel: usize, by: Who, allowed: Who) -> Result<&mut Channel, [u8; 4]> {
        let version = self.version;
        let found = self.channels.get_mut(channel);
        let Some(found) = found else {
            return Err(V1::ChannelNotFound::SELECTOR);
        };
        if found.over {
            return Err(match version {
                Version::One => V1::ChannelFinalized::SELECTOR,
                Version::Two => V2::ChannelNotFound::SELECTOR,
            });
        }
        if by != allowed {
            return Err(match (allowed, version) {
                (Who::Payer, _) => V1::NotPayer::SELECTOR,
                (_, Version::One) => V1::NotPayee::SELECTOR,
                (_, Version::Two) => V2::NotPayeeOrOperator::SELECTOR,
            });
        }
        Ok(found)
    }

    /// What the contract holds.
    fn held(&self) -> u64 {
        let open = self.channels.iter().filter(|channel| !channel.over);
        open.map(|channel| channel.deposit - channel.settled).sum()
    }
}

impl Channel {
    fn settle(&mut self, amount: u64, signer: Who) -> Result<u64, [u8; 4]> {
        if amount <= self.settled {
            return Err(V1::AmountNotIncreasing::SELECTOR);
        }
        if amount > self.deposit {
            return Err(V1::AmountExceedsDeposit::SELECTOR);
        }
        signed(signer)?;
        let delta = amount - self.settled;
        self.settled = amount;
        Ok(delta)
    }

    fn close_exactly(&mut self, amount: u64, signer: Who) -> Result<(u64, u64), [u8; 4]> {
        if amount < self.settled {
            return Err(V1::AmountNotIncreasing::SELECTOR);
        }
        if amount > self.deposit {
            return Err(V1::AmountExceedsDeposit::SELECTOR);
        }
        signed(signer)?;
        Ok(self.end_at(amount))
    }

    fn capture(&mut self, amount: u64, capture: u64, signer: Who) -> Result<(u64, u64), [u8; 4]> {
        if capture < self.settled || capture > amount {
            return Err(V2::CaptureAmountInvalid::SELECTOR);
        }
        if capture > self.deposit {
            return Err(V2::AmountExceedsDeposit::SELECTOR);
        }
        if capture > self.settled {
            signed(signer)?;
        }
        Ok(self.end_at(capture))
    }

    const fn end_at(&mut self, amount: u64) -> (u64, u64) {
        let delta = amount - self.settled;
        self.settled = amount;
        self.over = true;
        (delta, self.deposit - amount)
    }
}

fn signed(by: Who) -> Ruled {
    if by == Who::Payer {
        return Ok(());
    }
    Err(V1::InvalidSignature::SELECTOR)
}

/// Where a step is tried: a call that the model expects to be done is sent, another is asked for.
struct Trial<'a> {
    world: &'a World,
    at: Address,
    expect: Ruled,
    now: u64,
}

impl Trial<'_> {
    async fn call<C: alloy_sol_types::SolCall>(&self, by: Who, call: C) {
        match self.expect {
            Ok(()) => {
                self.world.next_at(self.now + 1).await;
                self.world.send(by, self.at, call).await;
            }
            Err(error) => self.world.refused(by, self.at, call, error).await,
        }
    }
}

/// One of the two contracts, and what its channels are called by.
enum Contract {
    One(Escrow, Vec<B256>),
    Two(Reserve, Vec<ChannelDescriptor>),
}

impl Contract {
    const fn world(&self) -> &World {
        match self {
            Self::One(escrow, _) => &escrow.world,
            Self::Two(reserve, _) => &reserve.world,
        }
    }

    async fn held(&self) -> [u64; 3] {
        match self {
            Self::One(escrow, _) => escrow.held().await,
            Self::Two(reserve, _) => reserve.held().await,
        }
    }

    async fn try_step(&mut self, step: &Step, expect: Ruled, now: u64) {
        match self {
            Self::One(escrow, channels) => try_one(escrow, channels, step, expect, now).await,
            Self::Two(reserve, channels) => try_two(reserve, channels, step, expect, now).await,
        }
    }

    /// A channel as the chain has it, as far as the model knows it.
    async fn channel(&self, index: usize) -> Channel {
        match self {
            Self::One(escrow, channels) => {
                let channel = escrow.channel(channels[index]).await;
                Channel {
                    deposit: channel.deposit.try_into().unwrap(),
                    settled: channel.settled.try_into().unwrap(),
                    requested: Some(channel.closeRequestedAt).filter(|time| *time != 0),
                    over: channel.finalized,
                }
            }
            Self::Two(reserve, channels) => {
                let state = reserve.state(&channels[index]).await;
                let requested = u64::from(state.closeRequestedAt);
                Channel {
                    deposit: state.deposit.to(),
                    settled: state.settled.to(),
                    requested: Some(requested).filter(|time| *time != 0),
                    over: state.deposit.is_zero(),
                }
            }
        }
    }
}

async fn try_one(escrow: &Escrow, channels: &mut Vec<B256>, step: &Step, expect: Ruled, now: u64) {
    let trial = Trial {
        world: &escrow.world,
        at: escrow.at,
        expect,
        now,
    };
    let id = |channel: usize| channels.get(channel).copied().unwrap_or_default();
    let voucher = |signer, channel, amount| escrow.voucher(signer, id(channel), amount);
    match *step {
        Step::Open { deposit } => {
            let salt = u8::try_from(channels.len()).unwrap();
            let call = escrow.open_call(deposit.into(), salt, Address::ZERO);
            channels.push(escrow.id(&call));
            trial.call(Who::Payer, call).await;
        }
        Step::TopUp {
            channel,
            by,
            amount,
        } => {
            let call = V1::topUpCall {
                channelId: id(channel),
                additionalDeposit: U256::from(amount),
            };
            trial.call(by, call).await;
        }
        Step::Settle {
            channel,
            by,
            amount,
            signer,
        } => {
            let call = V1::settleCall {
                channelId: id(channel),
                cumulativeAmount: amount.into(),
                signature: voucher(signer, channel, amount.into()),
            };
            trial.call(by, call).await;
        }
        Step::Close {
            channel,
            by,
            amount,
            signer,
            ..
        } => {
            let call = V1::closeCall {
                channelId: id(channel),
                cumulativeAmount: amount.into(),
                signature: voucher(signer, channel, amount.into()),
            };
            trial.call(by, call).await;
        }
        Step::Request { channel, by } => {
            let call = V1::requestCloseCall {
                channelId: id(channel),
            };
            trial.call(by, call).await;
        }
        Step::Withdraw { channel, by } => {
            let call = V1::withdrawCall {
                channelId: id(channel),
            };
            trial.call(by, call).await;
        }
        Step::Wait { seconds } => trial.world.now_is(now + seconds).await,
    }
}

async fn try_two(
    reserve: &Reserve,
    channels: &mut Vec<ChannelDescriptor>,
    step: &Step,
    expect: Ruled,
    now: u64,
) {
    let trial = Trial {
        world: &reserve.world,
        at: reserve.at,
        expect,
        now,
    };
    // The parties of one that was never opened are the same.
    let never = reserve.descriptor(255, Address::ZERO, B256::ZERO);
    let of = |channel: usize| channels.get(channel).unwrap_or(&never);
    match *step {
        Step::Open { deposit } => {
            let salt = u8::try_from(channels.len()).unwrap();
            let context = B256::repeat_byte(salt + 1);
            let channel = reserve.descriptor(salt, Address::ZERO, context);
            reserve.hand(context).await;
            let call = reserve::open_call(&channel, deposit.into());
            channels.push(channel);
            trial.call(Who::Payer, call).await;
        }
        Step::TopUp {
            channel,
            by,
            amount,
        } => {
            trial
                .call(by, reserve::top_up(of(channel), amount.into()))
                .await;
        }
        Step::Settle {
            channel,
            by,
            amount,
            signer,
        } => {
            let voucher = reserve.voucher(signer, of(channel), amount.into());
            let call = reserve.settle_with(of(channel), amount.into(), voucher);
            trial.call(by, call).await;
        }
        Step::Close {
            channel,
            by,
            amount,
            capture,
            signer,
        } => {
            let voucher: Bytes = reserve.voucher(signer, of(channel), amount.into());
            let call = reserve.close_with(of(channel), amount.into(), capture.into(), voucher);
            trial.call(by, call).await;
        }
        Step::Request { channel, by } => trial.call(by, reserve::request(of(channel))).await,
        Step::Withdraw { channel, by } => trial.call(by, reserve::withdraw(of(channel))).await,
        Step::Wait { seconds } => trial.world.now_is(now + seconds).await,
    }
}

async fn run(mut contract: Contract, version: Version, steps: &[Step]) {
    let mut model = Model::new(version, contract.world().time().await);
    for step in steps {
        let before: Vec<u64> = model
            .channels
            .iter()
            .map(|channel| channel.settled)
            .collect();
        let expect = model.apply(step);
        contract.try_step(step, expect, model.now).await;
        model.now = contract.world().time().await;

        let held = [
            RICH - model.deposited + model.refunded,
            RICH + model.paid,
            model.held(),
        ];
        assert_eq!(contract.held().await, held, "after {step:?}");
        assert_eq!(model.deposited, model.paid + model.refunded + model.held());
        for (index, channel) in model.channels.iter().enumerate() {
            assert!(
                before
                    .get(index)
                    .is_none_or(|before| *before <= channel.settled)
            );
            let mut expect = channel.clone();
            if channel.over && version == Version::Two {
                expect = Channel {
                    over: true,
                    ..Channel::default()
                };
            }
            assert_eq!(contract.channel(index).await, expect, "after {step:?}");
        }
    }
}

fn sequences(mut try_one: impl FnMut(&Runtime, &[Step])) {
    let runtime = Runtime::new().unwrap();
    let mut runner = TestRunner::new(Config {
        cases: SEQUENCES,
        max_shrink_iters: 64,
        failure_persistence: None,
        ..Config::default()
    });
    let try_one = std::cell::RefCell::new(&mut try_one);
    let ran = runner.run(&sequence(), |steps| {
        (try_one.borrow_mut())(&runtime, &steps);
        Ok(())
    });
    ran.unwrap();
}

#[test]
fn the_escrow_does_what_the_model_does() {
    sequences(|runtime, steps| {
        runtime.block_on(async {
            if let Some(escrow) = Escrow::new("random calls", Kind::Plain).await {
                run(Contract::One(escrow, Vec::new()), Version::One, steps).await;
            }
        });
    });
}

#[test]
fn the_reserve_does_what_the_model_does() {
    sequences(|runtime, steps| {
        runtime.block_on(async {
            if let Some(reserve) = Reserve::new("random calls", Kind::Plain).await {
                run(Contract::Two(reserve, Vec::new()), Version::Two, steps).await;
            }
        });
    });
}
