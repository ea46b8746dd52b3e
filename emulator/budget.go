package emulator

import "time"

// overBudget says whether what usage costs has used up the budget of the billing period
// that contains t.
func (w *world) overBudget(s *subscription, t time.Time) bool {
	if s.budget == nil {
		return false
	}
	sum := zero()
	for _, l := range w.usageLines(s, laterOf(t, s.start)) {
		sum = plus(sum, l.amount)
	}
	return sum.Sign() > 0 && sum.Cmp(exactly(s.budget.Limit)) >= 0
}

// overspent names the features that a subscription may use no more: those whose usage
// costs money, once that has used up its budget, unless the budget is a soft limit.
func (w *world) overspent(s *subscription, t time.Time) []string {
	if s.budget == nil || s.budget.Soft || !w.overBudget(s, t) {
		return nil
	}
	var out []string
	for _, pr := range s.pricesOf(s.plan) {
		if pr.Model == "USAGE_BASED" {
			out = append(out, pr.FeatureID)
		}
	}
	return out
}
