package outage

import (
	"testing"

	"github.com/stiggate/gate/internal/admission"
	"github.com/stiggate/gate/internal/rules"
)

func TestWhatIsSaidFirstComesFirst(t *testing.T) {
	five := 5.0
	limited := Rule{Fallback: Fallback{"f": {HasAccess: true, UsageLimit: &five}}}
	none := Rule{Fallback: Fallback{"f": {UsageLimit: &five}}}
	f := &admission.Policy{Kind: admission.Feature, Item: admission.Item{ID: "f"}, Mode: rules.Uses}
	other := &admission.Policy{Kind: admission.Feature, Item: admission.Item{ID: "g"}, Mode: rules.Uses}
	credits := &admission.Policy{Kind: admission.Credits, Item: admission.Item{ID: "f", Currency: true}, Mode: rules.Uses}
	type has struct {
		access, unlimited bool
		limit             float64
	}
	for name, tt := range map[string]struct {
		p     *admission.Policy
		first Rule
		then  []Rule
		want  has
	}{
		"nothing":                        {f, Rule{}, nil, has{}},
		"deny before allow":              {f, Rule{Answer: Deny}, []Rule{{Answer: Allow}}, has{}},
		"allow":                          {f, Rule{}, []Rule{{Answer: Allow}}, has{access: true, unlimited: true}},
		"a fallback before deny":         {f, Rule{Answer: Deny, Fallback: limited.Fallback}, nil, has{access: true, limit: 5}},
		"a fallback without access":      {f, none, []Rule{{Answer: Allow}}, has{limit: 5}},
		"a fallback of another":          {other, limited, []Rule{{Answer: Allow}}, has{access: true, unlimited: true}},
		"a fallback is of no currency":   {credits, limited, nil, has{}},
		"deny before a later fallback":   {f, Rule{Answer: Deny}, []Rule{limited}, has{}},
		"a later fallback after nothing": {f, Rule{}, []Rule{limited}, has{access: true, limit: 5}},
	} {
		t.Run(name, func(t *testing.T) {
			got, access := tt.first.Has(tt.p, tt.then...)
			if access != tt.want.access || got.Unlimited != tt.want.unlimited || !got.Unlimited && got.Limit != tt.want.limit {
				t.Errorf("has %+v, %v; want %+v", got, access, tt.want)
			}
		})
	}
}

func TestACloneSharesNothing(t *testing.T) {
	limit, value := 5.0, 7.0
	e := Entitlement{UsageLimit: &limit, Value: &value, EnumValues: []string{"NY"}}
	c := e.Clone()
	limit, value, e.EnumValues[0] = 1, 2, "LA"
	if *c.UsageLimit != 5 || *c.Value != 7 || c.EnumValues[0] != "NY" {
		t.Errorf("the clone has changed: %v, %v, %v", *c.UsageLimit, *c.Value, c.EnumValues)
	}
}
