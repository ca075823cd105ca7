//! The paths of the admin server.

use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, post};
use hickory_proto::rr::RecordType;
use tokio::sync::oneshot;

use super::gate::Way;
use super::refusal::{ApiError, json, problem, refuse};
use super::{
    AppState, Loaded, Order, events, external_dns, gate, healthz, latency, leases, metrics, overrides, overview, page,
    reports, rollouts, txt, zones,
};
use crate::clock::{self, unix_time};
use crate::overrides::TargetPattern;
use crate::report::{self, Beside, Explanation, Filter, Network, Question, Reload, Status, StatusFacts, Totals, When};
use crate::snapshot::Snapshot;

/// Returns all routes, with the access control for requests that arrive this way.
pub(super) fn all(app: Arc<AppState>, way: Way) -> Router {
    Router::new()
        .route("/", get(page::index))
        .route("/page/{file}", get(page::file))
        .route("/healthz", get(healthz::get))
        .route("/metrics", get(metrics::get))
        .route("/openapi.json", get(openapi))
        .route("/v1/status", get(status))
        .route("/v1/overview", get(overview::get))
        .route("/v1/decisions", get(overview::decisions))
        .route("/v1/history", get(overview::history))
        .route("/v1/explain", get(explain))
        .route("/v1/reload", post(reload))
        .route("/v1/overrides", get(overrides::list).post(overrides::place).delete(overrides::lift))
        .route("/v1/overrides/{override}", get(overrides::show).put(overrides::put).delete(overrides::remove))
        .route("/v1/rollouts", get(rollouts::list))
        .route("/v1/rollouts/{name}", get(rollouts::show).post(rollouts::order))
        .route("/v1/reports", post(reports::take))
        .route("/v1/latency", get(overview::latency).post(latency::push))
        .route("/v1/events", get(events::follow))
        .route("/v1/fleet", get(overview::fleet))
        .route("/v1/zones", get(zones::list).post(zones::push))
        .route("/v1/zones/rollback", post(zones::roll_back))
        .route("/v1/zones/promote", post(zones::promote))
        .route("/v1/leases", get(leases::all))
        .route("/v1/pools/{pool}/endpoints", get(leases::list))
        .route("/v1/pools/{pool}/endpoints/{id}", get(leases::show).put(leases::claim).delete(leases::release))
        .route("/external-dns", get(external_dns::negotiate))
        .route("/external-dns/records", get(external_dns::records).post(external_dns::change))
        .route("/external-dns/adjustendpoints", post(external_dns::adjust))
        .route("/v1/txt", get(txt::list).post(txt::set).delete(txt::unset))
        .route("/v1/txt/{name}", get(txt::show).put(txt::replace).delete(txt::remove))
        .fallback(async || ApiError::new(StatusCode::NOT_FOUND, "there is no such path"))
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not accept the method")
        })
        .layer(middleware::from_fn_with_state((app.clone(), way), gate::keep))
        .with_state(app)
}

/// The parameters in a URL. A handler takes those that it knows, one by one; the remaining ones are unknown.
pub(super) struct Parameters(Vec<(String, String)>);

pub(super) type QueryPairs = Result<Query<Vec<(String, String)>>, QueryRejection>;

impl Parameters {
    pub(super) fn new(query: QueryPairs) -> Result<Self, ApiError> {
        query.map(|Query(pairs)| Self(pairs)).map_err(|error| ApiError::bad(error.body_text()))
    }

    /// Takes all values of a parameter. Fails if one of them cannot be parsed.
    pub(super) fn take_all<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, ApiError> {
        let taken = self.0.extract_if(.., |(name, _)| name == key);
        let parsed = taken.map(|(_, value)| parse(&value).map_err(|why| ApiError::bad(format!("`{key}`: {why}"))));
        parsed.collect()
    }

    /// Takes the value of a parameter. Fails if it is given twice, or cannot be parsed.
    pub(super) fn take<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ApiError> {
        let mut values = self.take_all(key, parse)?;
        if values.len() > 1 {
            return Err(ApiError::bad(format!("`{key}` is given twice")));
        }
        Ok(values.pop())
    }

    /// Fails if a parameter is left.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        match self.0.first() {
            Some((key, _)) => Err(ApiError::bad(format!("this path has no parameter `{key}`"))),
            None => Ok(()),
        }
    }
}

fn number(text: &str) -> Result<usize, String> {
    usize::from_str(text).map_err(|_| format!("`{text}` is not a number"))
}

fn boolean(text: &str) -> Result<bool, String> {
    bool::from_str(text).map_err(|_| format!("`{text}` is neither true nor false"))
}

/// `GET /openapi.json`: the description of this API (OpenAPI 3.1).
async fn openapi() -> Response {
    json(StatusCode::OK, include_str!("openapi.json").to_owned())
}

/// `GET /v1/status?name=&pool=&datacenter=&limit=`.
async fn status(State(app): State<Arc<AppState>>, query: QueryPairs) -> Result<Response, ApiError> {
    let mut parameters = Parameters::new(query)?;
    let name = parameters.take("name", Question::parse_name)?;
    let pool = parameters.take("pool", |text| Ok(text.to_owned()))?;
    let datacenter = parameters.take("datacenter", |text| Ok(text.to_owned()))?;
    let limit = parameters.take("limit", number)?;
    parameters.finish()?;
    let _turn = app.long_work.acquire().await;
    let snapshot = app.published.load_full();
    let totals = app.tallies.totals(&snapshot);
    let status = app.status(&snapshot, &totals, &Filter { name, pool, datacenter, limit }).await?;
    Ok(json(StatusCode::OK, report::to_json(&status)))
}

/// `GET /v1/explain?name=&type=&client=&down=`.
async fn explain(State(app): State<Arc<AppState>>, query: QueryPairs) -> Result<Response, ApiError> {
    let mut parameters = Parameters::new(query)?;
    let name = parameters.take("name", Question::parse_name)?;
    let rtype = parameters.take("type", Question::parse_type)?.unwrap_or(RecordType::A);
    let client = parameters.take("client", Network::from_str)?;
    let down = parameters.take_all("down", |text| TargetPattern::from_str(text).map_err(|error| error.to_string()))?;
    parameters.finish()?;
    let (Some(name), Some(client)) = (name, client) else {
        return Err(ApiError::bad(
            "`name` and `client` are needed: /v1/explain?name=www.example.com&client=192.0.2.0/24",
        ));
    };
    let survey = app.control.survey().await.ok_or_else(ApiError::stopping)?;
    let overrides = app.control.overrides().await.ok_or_else(ApiError::stopping)?;
    let _turn = app.long_work.acquire().await;
    let snapshot = app.published.load_full();
    let beside = Beside { survey: &survey, overrides: &overrides, signatures: &app.signatures, now: clock::wall() };
    match Explanation::live(&snapshot, &Question { name, rtype, client }, &down, beside) {
        Ok(explanation) => Ok(json(StatusCode::OK, report::to_json(&explanation))),
        Err(why) => Err(ApiError::bad(why)),
    }
}

/// `POST /v1/reload?allow_empty=`. Answers as soon as the new configuration is served, or is refused.
async fn reload(State(app): State<Arc<AppState>>, query: QueryPairs) -> Result<Response, ApiError> {
    let mut parameters = Parameters::new(query)?;
    let may_be_empty = parameters.take("allow_empty", boolean)?.unwrap_or(false);
    parameters.finish()?;
    let (reply, reloaded) = oneshot::channel();
    app.order(Order::Reload { may_be_empty, reply })?;
    match reloaded.await.map_err(|_| ApiError::stopping())? {
        Ok(Loaded { warnings, summary, served }) => {
            // There is no snapshot if a later configuration replaces this one first.
            let generation = served.await.ok().map(|snapshot| snapshot.generation());
            let shape = Reload { detail: None, faults: warnings, summary: Some(summary), generation };
            Ok(json(StatusCode::OK, report::to_json(&shape)))
        }
        Err(faults) => {
            let why = "the new configuration has errors, so the old one stays in use".to_owned();
            let shape = Reload { detail: None, faults, summary: None, generation: None };
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Ok(refuse(status, problem(status, why).to_json_with(&shape)))
        }
    }
}

impl AppState {
    /// Returns the status of the node, from a snapshot, for the part that `filter` selects.
    pub(super) async fn status(
        &self,
        snapshot: &Snapshot,
        totals: &Totals,
        filter: &Filter,
    ) -> Result<Status, ApiError> {
        let survey = self.control.survey().await.ok_or_else(ApiError::stopping)?;
        let overrides = self.control.overrides().await.ok_or_else(ApiError::stopping)?;
        let when = When { unix_time: unix_time(), uptime: self.started.elapsed(), traffic: self.traffic() };
        let (files, query_log) = (&self.files(), &self.counters.query_log);
        let facts = StatusFacts { snapshot, survey: &survey, totals, overrides: &overrides, files, query_log };
        Ok(Status::new(facts, filter, when))
    }

    /// Queues an order for the loop that executes it. Fails if too many wait.
    pub(super) fn order(&self, order: Order) -> Result<(), ApiError> {
        self.orders.try_send(order).map_err(|_| ApiError::unavailable("too many orders are waiting already: try again"))
    }
}
