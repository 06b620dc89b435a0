//! Changes to a transaction's bytes: blind ones, and ones that keep its structure.

use alloy_rlp::Header;

use crate::any::Any;

/// An item of the structure.
#[derive(Clone)]
enum Item {
    Bytes(Vec<u8>),
    List(Vec<Item>),
}

/// The bytes with a change or a few.
pub(crate) fn change(any: &mut Any, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if any.below(3) == 0 {
        blind(any, &mut bytes);
        return bytes;
    }
    let mut root = read(&mut &bytes[1..]);
    for _ in 0..=any.below(2) {
        structured(any, &mut root);
    }
    bytes.truncate(1);
    write(&root, &mut bytes);
    bytes
}

fn blind(any: &mut Any, bytes: &mut Vec<u8>) {
    let at = any.below(bytes.len());
    let byte = any.next().to_be_bytes()[0];
    match any.below(4) {
        0 => bytes[at] = byte,
        1 => bytes[at] ^= 1 << any.below(8),
        2 => bytes.insert(at, byte),
        _ => drop(bytes.remove(at)),
    }
}

/// Changes an item somewhere below.
fn structured(any: &mut Any, item: &mut Item) {
    match item {
        Item::List(items) if !items.is_empty() && any.below(6) > 0 => {
            let at = any.below(items.len());
            structured(any, &mut items[at]);
        }
        Item::List(items) => {
            let extra = [Item::Bytes(Vec::new()), Item::List(Vec::new())];
            match any.below(4) {
                0 => items.push(extra[any.below(2)].clone()),
                1 => drop(items.pop()),
                2 if !items.is_empty() => {
                    let copy = items[any.below(items.len())].clone();
                    items.push(copy);
                }
                _ => items.reverse(),
            }
        }
        Item::Bytes(bytes) => {
            let byte = any.next().to_be_bytes()[0];
            match any.below(6) {
                0 => bytes.clear(),
                1 => bytes.push(byte),
                2 => drop(bytes.pop()),
                3 => bytes.insert(0, 0),
                _ if bytes.is_empty() => *bytes = vec![byte],
                _ => {
                    let at = any.below(bytes.len());
                    bytes[at] = byte;
                }
            }
        }
    }
}

fn read(rest: &mut &[u8]) -> Item {
    let is_list = rest[0] >= 0xc0;
    let mut payload = Header::decode_bytes(rest, is_list).unwrap();
    if !is_list {
        return Item::Bytes(payload.to_vec());
    }
    let mut items = Vec::new();
    while !payload.is_empty() {
        items.push(read(&mut payload));
    }
    Item::List(items)
}

fn write(item: &Item, out: &mut Vec<u8>) {
    match item {
        Item::Bytes(bytes) => alloy_rlp::Encodable::encode(bytes.as_slice(), out),
        Item::List(items) => {
            let mut payload = Vec::new();
            items.iter().for_each(|item| write(item, &mut payload));
            let header = Header {
                list: true,
                payload_length: payload.len(),
            };
            header.encode(out);
            out.extend_from_slice(&payload);
        }
    }
}
