//! Adapters: everything that speaks to AWS, so that nothing else has to.
//!
//! | module | decision |
//! |---|---|
//! | [`clients`] | how SDK clients are made |
//! | [`logs`] | what a function logs, and how |
//! | [`config`] | what the environment may say, and what is wrong with it |
//! | [`setup`] | the three tables, created |
//! | [`destination`] | a table connected to a stream |
//! | [`dynamo`] | the stores of [`evercount_pipeline::ports`] on DynamoDB, and the source table |
//! | [`kinesis`] | a Kinesis event as records of lanes, and the answer to it |
//! | [`counter`] | a batch, counted: the body of the item counter |
//! | [`function_runner`] | questions to functions of users, answered: the body of the function runner |
//! | [`lambda`] | how the function runner is asked |
//! | [`schema_events`] | where schema change events are put |
//! | [`listener`] | a batch, listened to: the body of the schema listener |
//! | [`transformer`] | a batch, made to conform: the body of the event transformer |
//! | [`conformed`] | where conformed records are put |
//! | [`analyzer`] | schema change events, planned for: the body of the impact analyzer |
//! | [`validator`] | what is known of new versions, acted on: the body of the shadow validator |
//! | [`forecaster`] | predictions, made, judged and learnt from: the body of the schema forecaster |
//! | [`data_proxy`] | requests of a function URL, answered: the body of the data proxy |
//! | [`signed`] | an upstream that asks who calls |
//! | [`sources`] | where values of columns to come are fetched from |
//! | [`s3`] | objects in S3 |
//! | [`s3_functions`] | the store of functions in S3 |
//! | [`alerts`] | where alerts go |
//! | [`metrics`] | what a batch tells CloudWatch |

#[cfg(feature = "alerts")]
pub mod alerts;
pub mod analyzer;
#[cfg(feature = "eventbridge")]
mod bus;
#[cfg(any(feature = "eventbridge", feature = "kinesis"))]
mod calls;
mod caller;
pub mod clients;
pub mod config;
#[cfg(feature = "kinesis")]
pub mod conformed;
pub mod counter;
#[cfg(feature = "proxy")]
pub mod data_proxy;
pub mod destination;
pub mod dynamo;
#[cfg(feature = "forecast")]
pub mod forecaster;
pub mod function_runner;
pub mod kinesis;
pub mod lambda;
pub mod listener;
#[cfg(feature = "logs")]
pub mod logs;
pub mod meter;
pub mod metrics;
pub mod s3;
pub mod s3_functions;
#[cfg(feature = "schema-events")]
pub mod schema_events;
pub mod setup;
mod shelf;
#[cfg(feature = "proxy")]
pub mod signed;
#[cfg(feature = "proxy")]
pub mod sources;
#[cfg(feature = "kinesis")]
mod stream;
pub mod transformer;
pub mod validator;
