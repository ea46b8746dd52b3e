// Package gate puts a SaaS company's price plans, as they are kept in Stigg, in front
// of its HTTP handlers: who is asking, does their plan cover this and this much, if
// not 402 or 403 with the reason, and after the handler succeeded the usage is
// reported.
//
//	stigg, err := client.New(os.Getenv("STIGG_API_KEY"))
//	g, err := gate.New(stigg, identity.FromContext(account)) // who pays: what authentication verified
//
//	mux.Handle("POST /campaigns", nethttp.Require(g, gate.Feature("feature-02-campaigns").Uses(1))(createCampaign))
//	mux.Handle("DELETE /seats/{id}", nethttp.Require(g, gate.Feature("feature-seats").Frees(1))(removeSeat))
//	mux.Handle("GET /analytics", nethttp.Require(g, gate.Feature("feature-04-analytics"))(showAnalytics))
//	err = gate.Serve(ctx, &http.Server{Addr: addr, Handler: mux}, g) // until SIGTERM; then what was used is delivered
//
// A Policy says what a route asks. Packages nethttp, chistigg, ginstigg and echostigg put
// policies in front of handlers; without HTTP there are Gate.Check and Gate.Admit.
//
// # What is promised
//
// Within one process no limit is passed by what is admitted, whatever runs at the same
// time: an amount is held while its handler runs. Across processes a limit is as
// exact as Stigg's answers are fresh; each process counts its own requests at once and
// learns of the others' with every report and every read. Usage periods end by this
// machine's clock until Stigg says otherwise, so keep it set.
//
// Usage is reported if the client is answered with a status below 400, once: it
// keeps one idempotency key from birth to acknowledgement. It waits in memory, so a
// process that is killed loses what it had not delivered, unless it has an outbox
// (WithOutbox); Serve and Close deliver all.
//
// # With an outbox
//
// Usage is kept when the handler is done and before its response leaves: what the client
// sees as success is counted, once, whatever happens to the process. That holds for a
// response that was not flushed yet. net/http keeps up to 2 kB of it; a handler that
// writes more, flushes or takes the connection over calls Ticket.Settle before, which
// returns when the usage is kept.
//
// Stigg is asked once per customer and minute, not once per request, and never while
// a decision can be made without it. If nothing is known of a customer and Stigg does
// not answer in time, the answer is 503, not 402.
//
// # Order of middlewares
//
// Recovery outside, then CORS and path rewriting, then authentication, then the gate,
// then http.TimeoutHandler if there is one, then the handler. A recovery inside the gate
// would hide a panic from it, a gate outside of authentication can't know who asks, and a
// timeout outside of it may answer 503 to what was done and charged. Two gates on one
// request charge the same feature once, the larger amount, and the log says so.
//
// # For applications
//
//   - A gate: [New], [Gate], [Option], [Serve] ([ServeOption], [ShutdownWithin], [DeliverWithin],
//     [ServeOn]), [Stats], [DecisionCounts], [Health], [Observer], [Outcome], [UndeliveredError],
//     [ErrClosed], [ErrUnauthorized], [ErrNoReporter], [ErrQueueFull].
//   - Who asks: [Customer], [Resolver], [ResolverFunc], [Validator], [ContextWithCustomer],
//     [CustomerFromContext], [InvalidIDError], [ErrNoCustomer], [ErrCustomerConflict]; package
//     identity has resolvers.
//   - What a route asks: [Policy], [Feature], [Credits], [All], [Any], [Public], [Table], [LiveTable],
//     [NewLiveTable], [Routing], [Rest], [ForgottenRouteError],
//     [AmountFunc], [RequestError], [AmountError], [PolicyError]; whether
//     Stigg has it all: [VerifyError], [ErrUnknownFeature], [ErrUnknownCurrency], [ErrFeatureKind],
//     [ErrNoCatalog].
//   - In the handler: [TicketFrom], [DecisionFrom], [CustomerFrom], [DeniedError],
//     [WithBareRequests].
//   - What it bills: [Ticket], [Billing], [MeasureFunc], [ResponseBytes], [Event],
//     [DimensionsError], [ErrSettled], [ErrAmbiguousUse], [ErrNoEvent], [ErrNoTxOutbox].
//   - What comes out: [Decision], [Origin], [Reason], [Denial], [DenialPage],
//     [DefaultProblemBase], [QuotaHeaders], [WithStatus], [WithDenial], [WithTexts], [WithUpgrade],
//     [WithUpgradeLink], [WithChallenge], [WithProblemBase], [WithDenialTemplate], [WithQuotaHeaders].
//   - Outages: [Outage], [Fallback], [FallbackEntitlement], [ParseFallback], [WithFleet], [WithFleetOutage], [WithOutage],
//     [WithFallback], [WithOffline].
//   - The cache: [WithTTL], [WithLiveTTL], [WithMaxStale], [WithCacheSize], [WithDecisionTimeout],
//     [WithColdTimeout].
//   - Reports and logs: [WithReporter], [WithOutbox], [WithOutboxFailOpen], [WithQueueSize],
//     [WithQueueBytes], [WithRefused], [WithUndelivered], [WithObserver], [WithLogger], [WithClock].
//
// # For makers of sources, reporters and outboxes
//
//   - Sources: [Source], [EntitlementSet], [Entitlement], [FeatureKind], [ParseFeatureKind],
//     [ResetPeriod], [Credit], [CreditRate], [NoCache], [ContextWithNoCache], [ReadPacer],
//     [CatalogReader], [Catalog]; [Watcher], [PartialWatcher], [Sink], [InterruptionSink], [Patch].
//   - Reporters: [Reporter], [Usage], [UsageKind], [UsageError], [Ack], [CreditAck], [Pacer].
//   - What a failure means: [UpstreamError], [UpstreamKind].
//   - Outboxes: [Outbox], [Kept], [Position], [OutboxMeter], [Adopter], [TxOutbox], [OutboxStats], [OutboxError].
//
// Package conformance has the suites that they pass.
//
// # For makers of adapters
//
// [Guard] and [RouteGuards] stand in front of handlers, [Call] is a request; docs/adapters.md
// shows how one is made, and package conformance has the suite that it passes.
package gate
