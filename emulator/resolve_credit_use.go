package emulator

import "time"

// creditUsage shows what credits were consumed for: one series for each feature, and
// one for what was consumed directly.
func (v view) creditUsage(args input) (any, error) {
	in := args.object("input")
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, err
	}
	resource := in.str("resourceId")
	if !c.knows(resource) {
		return nil, refuse(CodeResourceNotFound, "customer %q has no resource %q", c.id, resource)
	}
	cur, err := v.onlyCurrency(in.str("currencyId"))
	if err != nil {
		return nil, err
	}
	from, to := v.creditRange(in)
	points := map[string][]obj{}
	total := map[string]float64{}
	for _, u := range v.w.uses {
		if u.Duplicate || u.CustomerID != c.id || u.ResourceID != resource || u.CurrencyID != cur.ID || u.CreatedAt.Before(from) || u.CreatedAt.After(to) {
			continue
		}
		points[u.FeatureID] = append(points[u.FeatureID], obj{"timestamp": u.CreatedAt, "value": u.Amount})
		total[u.FeatureID] += u.Amount
	}
	shown, err := page("creditUsage", sortedKeys(points), func(id string) string { return id }, func(id string) obj {
		one := obj{"points": points[id], "totalCredits": shownDecimal(exactly(total[id]))}
		if f := v.w.catalog.featureByID[id]; f != nil {
			one["featureId"], one["featureName"] = f.ID, f.DisplayName
		}
		return one
	}, in.object("paging"))
	if err != nil {
		return nil, err
	}
	series := []any{}
	for _, edge := range shown["edges"].([]obj) {
		series = append(series, edge["node"])
	}
	return obj{"series": series, "currency": showCurrency(cur), "pageInfo": shown["pageInfo"]}, nil
}

// onlyCurrency finds a currency; where none is named it is the one that there is.
func (v view) onlyCurrency(id string) (*currency, error) {
	if all := v.w.catalog.Currencies; id == "" && len(all) > 0 {
		return all[0], nil
	}
	return v.w.currency(id)
}

func (v view) creditRange(in input) (from, to time.Time) {
	from, to = in.time("startDate"), v.until(in.time("endDate"))
	switch in.str("timeRange") {
	case "LAST_DAY":
		from = to.AddDate(0, 0, -1)
	case "LAST_WEEK":
		from = to.AddDate(0, 0, -7)
	case "LAST_MONTH":
		from = addMonths(to, -1)
	case "LAST_YEAR":
		from = addMonths(to, -12)
	}
	return from, to
}

// estimateUsageCost says what usage of a feature would cost in credits.
func (v view) estimateUsageCost(args input) (any, error) {
	in := args.object("input")
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, err
	}
	// No rate depends on dimensions: a costFormula is shown and not evaluated.
	in.json("dimensions")
	id, resource, value := in.str("featureId"), in.str("resourceId"), *in.num("value")
	if v.w.catalog.featureByID[id] == nil {
		return noCost("FEATURE_NOT_FOUND"), nil
	}
	e := v.w.entitled(c, resource, id, v.now)
	if e == nil || e.rate == nil {
		return noCost("FEATURE_NOT_CREDIT_BASED"), nil
	}
	if in.str("updateBehavior") == "SET" {
		value -= e.usage
	}
	cost := []costed{{id, max(value, 0) * e.rate.Amount, e.rate.CurrencyID, ""}}
	return v.costs(c, resource, cost), nil
}

// estimateEventCost says what a raw event would cost in credits, by the meters that it
// matches. What an event adds to a count of distinct values, a highest or a lowest one
// can't be said beforehand.
func (v view) estimateEventCost(args input) (any, error) {
	in := args.object("input")
	c, err := v.w.liveCustomer(in.str("customerId"))
	if err != nil {
		return nil, err
	}
	resource := in.str("resourceId")
	ev := Event{CustomerID: c.id, ResourceID: resource, EventName: in.str("eventName"), Dimensions: in.json("dimensions"), Timestamp: v.now}
	var costs []costed
	for _, f := range v.w.catalog.Features {
		if f.Meter == nil || !f.Meter.matches(ev) {
			continue
		}
		e := v.w.entitled(c, resource, f.ID, v.now)
		if e == nil || e.rate == nil {
			continue
		}
		counted, ok := f.Meter.entry(ev)
		switch {
		case !ok:
		case counted.how == added:
			costs = append(costs, costed{f.ID, max(counted.value, 0) * e.rate.Amount, e.rate.CurrencyID, ""})
		default:
			costs = append(costs, costed{f.ID, 0, e.rate.CurrencyID, "UNSUPPORTED_AGGREGATION"})
		}
	}
	if len(costs) == 0 {
		return noCost("FEATURE_NOT_CREDIT_BASED"), nil
	}
	return v.costs(c, resource, costs), nil
}

// costed is what usage of one feature would cost.
type costed struct {
	feature  string
	amount   float64
	currency string
	warning  string
}

func noCost(warning string) obj { return obj{"estimates": []obj{}, "warnings": []string{warning}} }

func (v view) costs(c *customer, resource string, all []costed) obj {
	byCurrency := map[string][]costed{}
	for _, one := range all {
		byCurrency[one.currency] = append(byCurrency[one.currency], one)
	}
	warnings := []string{}
	scoped := func(r string) bool { return r != "" }
	if resource == "" && len(c.activeSubscriptions(v.now, scoped)) > 0 {
		warnings = append(warnings, "RESOURCE_SCOPED_SUBSCRIPTION_EXISTS")
	}
	estimates := listOf(sortedKeys(byCurrency), func(id string) obj {
		sum, balance := zero(), zero()
		for _, one := range byCurrency[id] {
			sum = plus(sum, exactly(one.amount))
		}
		if wa := v.w.wallet(c, resource, v.w.catalog.currencyByID[id], v.now); wa != nil {
			balance = minus(exactly(wa.limit), exactly(wa.used))
		}
		after := minus(balance, sum)
		return obj{
			"currencyId": id, "estimatedCost": shownDecimal(sum), "currentBalance": shownDecimal(balance),
			"balanceAfterEstimate": shownDecimal(after), "wouldOverdraft": after.Sign() < 0,
			"breakdown": listOf(byCurrency[id], func(one costed) obj {
				return obj{"featureId": one.feature, "cost": shownDecimal(exactly(one.amount)), "warningCode": text(one.warning)}
			}),
		}
	})
	return obj{"estimates": estimates, "warnings": warnings}
}
