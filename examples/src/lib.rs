//! Small programs that use Farthing, each run by a test.
//!
//! | program | what it shows |
//! |---|---|
//! | `priced_route` | an axum server with a price on one route |
//! | `discovered_routes` | an axum server that tells what it costs beforehand |
//! | `paying_client` | a client that pays within a policy |
//! | `paid_by_the_word` | an axum server that is paid for each word while it streams them |
//! | `paying_by_the_word` | a client that pays for the stream while it reads it |
//! | `paid_on_tempo` | an axum server that is paid on a chain |
//! | `paying_on_tempo` | a client that pays there |
//! | `custom_method` | a payment method of one's own |
//! | `without_middleware` | the same steps as plain function calls |
