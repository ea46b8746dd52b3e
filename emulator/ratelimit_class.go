package emulator

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// tollsOf gives what an operation costs, one toll for each window. Fields about the
// schema cost nothing.
func tollsOf(p *prepared) []toll {
	if p.edge != "" {
		if p.edge == edgeState || p.edge == edgeEntitlements {
			return []toll{{class: RateReads, n: 1}}
		}
		return []toll{{class: RateObjects, n: 1}}
	}
	var out []toll
	add := func(class RateClass, key string) {
		for i := range out {
			if out[i].class == class && out[i].key == key {
				out[i].n++
				return
			}
		}
		out = append(out, toll{class, key, 1})
	}
	for _, f := range p.fields {
		if strings.HasPrefix(f.Name, "__") {
			continue
		}
		class := classOf(p.root, f.Name)
		add(class, "")
		if class != RateChanges && (class != RateGrants || p.root.Name != "Mutation") {
			continue
		}
		for _, id := range namedIn(f.args) {
			add(RateOneCustomer, id)
		}
	}
	return out
}

// classOf gives the class of a root field.
func classOf(root *ast.Definition, field string) RateClass {
	switch field {
	case "entitlementsState", "cachedEntitlements", "entitlements", "entitlement", "entitlementV2":
		return RateReads
	case "reportUsage", "createUsageMeasurement", "consumeCredits", "consumeCreditsAsync":
		return RateUsage
	case "reportUsageBulk":
		return RateUsageBulk
	case "reportEvent":
		return RateEvents
	}
	lower := strings.ToLower(field)
	for _, word := range []string{"coupon", "promotional", "credit"} {
		if strings.Contains(lower, word) {
			return RateGrants
		}
	}
	if root.Name == "Mutation" && !strings.HasPrefix(lower, "estimate") && !strings.HasPrefix(lower, "preview") {
		return RateChanges
	}
	return RateObjects
}

// namedIn gives the customers and subscriptions that the arguments of a change name.
func namedIn(args input) []string {
	var out []string
	if args == nil {
		return nil
	}
	for _, arg := range args.values {
		in, ok := arg.(input)
		if !ok {
			continue
		}
		for _, name := range []string{"customerId", "subscriptionId", "subscriptionRefId", "refId"} {
			if id := in.peek(name); id != "" {
				out = append(out, name[:4]+":"+id)
			}
		}
	}
	return out
}
