package emulator

import (
	"slices"
	"time"
)

// input is an input object, or the arguments of a field, after coercion: String, UUID
// and enum values are strings, Int is int, Float float64, DateTime time.Time. It
// remembers which of its values a resolver looked at, so that what was given and never
// looked at can be refused rather than dropped. A nil input has no values.
type input = *inputObject

type inputObject struct {
	// of is the name of its type, empty for the arguments of a field.
	of     string
	values map[string]any
	read   map[string]bool
}

func newInput(of string) input {
	return &inputObject{of: of, values: map[string]any{}, read: map[string]bool{}}
}

// get reads a value, nil if it wasn't given or is null.
func (in *inputObject) get(name string) any {
	if in == nil {
		return nil
	}
	in.read[name] = true
	return in.values[name]
}

// peek gives a string without reading it.
func (in *inputObject) peek(name string) string { s, _ := in.values[name].(string); return s }

func (in *inputObject) str(name string) string { s, _ := in.get(name).(string); return s }

func (in *inputObject) optStr(name string) *string {
	if s, ok := in.get(name).(string); ok {
		return &s
	}
	return nil
}

func (in *inputObject) num(name string) *float64 {
	if n, ok := in.get(name).(float64); ok {
		return &n
	}
	return nil
}

func (in *inputObject) whole(name string) (n int, given bool) {
	n, given = in.get(name).(int)
	return n, given
}

func (in *inputObject) flag(name string) bool { b, _ := in.get(name).(bool); return b }

func (in *inputObject) time(name string) time.Time { t, _ := in.get(name).(time.Time); return t }

func (in *inputObject) object(name string) input { o, _ := in.get(name).(input); return o }

func (in *inputObject) json(name string) map[string]any {
	m, _ := in.get(name).(map[string]any)
	return m
}

// has says whether a value was given that is not null.
func (in *inputObject) has(name string) bool { return in.get(name) != nil }

// empty says whether nothing was given.
func (in *inputObject) empty() bool { return in == nil || len(in.values) == 0 }

func (in *inputObject) objects(name string) []input {
	var out []input
	list, _ := in.get(name).([]any)
	for _, v := range list {
		if o, ok := v.(input); ok {
			out = append(out, o)
		}
	}
	return out
}

func (in *inputObject) strs(name string) []string {
	var out []string
	list, _ := in.get(name).([]any)
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// unread names the first value that was given and that nobody looked at, empty if there
// is none. Values without an effect need not be looked at.
func (in *inputObject) unread(path string) string {
	for _, name := range sortedKeys(in.values) {
		if in.values[name] == nil || withoutEffect(in.of, name) {
			continue
		}
		at := name
		if path != "" {
			at = path + "." + name
		}
		if !in.read[name] {
			return at
		}
		list, _ := in.values[name].([]any)
		if o, ok := in.values[name].(input); ok {
			list = []any{o}
		}
		for _, v := range list {
			if o, ok := v.(input); ok {
				if left := o.unread(at); left != "" {
					return left
				}
			}
		}
	}
	return ""
}

// readAll marks everything as looked at, for values that a resolver need not know.
func (in *inputObject) readAll() {
	if in == nil {
		return
	}
	for name, v := range in.values {
		in.read[name] = true
		list, _ := v.([]any)
		if o, ok := v.(input); ok {
			list = []any{o}
		}
		for _, v := range list {
			if o, ok := v.(input); ok {
				o.readAll()
			}
		}
	}
}

// withoutEffect says which values of inputs rightly change nothing in an emulator: it
// has one environment, does at once what a caller could wait for, synchronizes with no
// other system, and answers tests, not tax offices.
func withoutEffect(of, name string) bool {
	switch name {
	case "environmentId", "awaitPaymentConfirmation", "awaitSubscriptionCancellation", "shouldWaitSync", "shouldSyncFree",
		"integrationId":
		return true
	}
	return slices.Contains(effectless(of), name)
}

func effectless(of string) []string {
	switch of {
	case "CheckoutOptions": // how a hosted checkout of a payment provider looks
		return []string{"allowPromoCodes", "allowTaxIdCollection", "collectBillingAddress", "collectPhoneNumber", "referenceId"}
	case "CustomerBillingInfo", "SubscriptionBillingInfo", "CreditGrantBillingInfoInput":
		// Handed on to a billing provider and "not persisted on Stigg's servers" (GraphQL
		// guide, "Provisioning customers").
		return []string{"billingAddress", "chargeOnBehalfOfAccount", "customerName", "invoiceCustomFields", "invoiceDaysUntilDue",
			"isBackdated", "isInvoicePaid", "language", "metadata", "prorationBehavior", "shippingAddress", "taxIds", "taxRateIds", "timezone"}
	case "EntitlementOptions":
		return []string{"shouldTrack"}
	case "EntitlementCheckRequested": // what is told of a check that was made elsewhere
		return []string{"entitlementCheckResult", "requestedUsage", "requestedValues"}
	case "ProvisionCustomerInput":
		return []string{"excludeFromExperiment"}
	case "GetPaywallInput": // no plan is hidden, and none depends on the widget
		return []string{"context", "fetchAllCountriesPrices", "includeHiddenPlans"}
	case "ConsumeCreditInput": // what is consumed is not told apart by them
		return []string{"dimensions"}
	case "CheckoutStateInput", "PaymentSessionInput":
		return []string{"billingCountryCode"}
	case "SubscriptionEntitlementInput": // a note that nothing shows
		return []string{"description"}
	case "ImportCustomerInput", "ImportSubscriptionInput": // a time of another system
		return []string{"updatedAt"}
	}
	return nil
}
