package emulator

func (v view) reportUsage(args input) (any, error) { return v.reportOne(args.object("input")) }

// createMeasurement is the oldest name of reportUsage.
func (v view) createMeasurement(args input) (any, error) {
	return v.reportOne(args.object("usageMeasurement"))
}

func (v view) reportOne(in input) (any, error) {
	acks, err := v.w.report([]Measurement{measurementOf(in)}, v.now)
	if err != nil {
		return nil, err
	}
	return v.ack(acks[0]), nil
}

func (v view) reportUsageBulk(args input) (any, error) {
	var all []Measurement
	for _, in := range args.object("input").objects("usages") {
		all = append(all, measurementOf(in))
	}
	acks, err := v.w.report(all, v.now)
	if err != nil {
		return nil, err
	}
	return listOf(acks, v.ack), nil
}

func measurementOf(in input) Measurement {
	m := Measurement{
		IdempotencyKey: in.str("idempotencyKey"), CustomerID: in.str("customerId"), ResourceID: in.str("resourceId"),
		FeatureID: in.str("featureId"), Value: *in.num("value"), UpdateBehavior: in.str("updateBehavior"),
		CreatedAt: in.time("createdAt"), Dimensions: in.json("dimensions"),
	}
	if m.UpdateBehavior == "" {
		m.UpdateBehavior = "DELTA"
	}
	return m
}

func (v view) ack(a usageAck) obj {
	m := a.measurement
	shown := obj{
		"id": a.id, "environmentId": environmentID(), "customerId": m.CustomerID, "resourceId": text(m.ResourceID),
		"featureId": m.FeatureID, "value": m.Value, "createdAt": m.CreatedAt, "currentUsage": a.usage,
		"usagePeriodStart": a.period.start, "usagePeriodEnd": a.period.end, "nextResetDate": a.period.end,
		"timestamp": a.timestamp,
	}
	if ch := a.charge; ch != nil {
		credit := showBalance(ch.rate.CurrencyID, ch.wallet, a.timestamp)
		credit["consumed"] = ch.consumed
		shown["credit"] = credit
	}
	return shown
}

// reportEvent answers null, as Stigg documents: the mutation has no result.
func (v view) reportEvent(args input) (any, error) {
	var all []Event
	for _, in := range args.object("events").objects("usageEvents") {
		all = append(all, Event{
			IdempotencyKey: in.str("idempotencyKey"), CustomerID: in.str("customerId"), ResourceID: in.str("resourceId"),
			EventName: in.str("eventName"), Dimensions: in.json("dimensions"), Timestamp: in.time("timestamp"),
		})
	}
	return nil, v.w.take(all, v.now)
}
