package ledger

import (
	"time"
)

// modelMeter is Stigg's side of one feature of one customer: a plain record of
// measurements, from which every count is made anew. It shares no code with the
// ledger. Amounts are whole numbers of the smallest unit, so its sums are exact.
type modelMeter struct {
	starts  []time.Time // of its periods; empty: one period without end
	counted map[string]modelMeasurement
	others  map[int]int64 // what other processes used, by period
}

type modelMeasurement struct {
	units     int64
	createdAt time.Time
}

func newModelMeter(first time.Time, periods int) *modelMeter {
	m := &modelMeter{counted: map[string]modelMeasurement{}, others: map[int]int64{}}
	for i := range periods {
		m.starts = append(m.starts, first.Add(time.Duration(i)*time.Hour))
	}
	return m
}

// at is the number of the period that a time falls in.
func (m *modelMeter) at(t time.Time) int {
	n := 0
	for i, start := range m.starts {
		if !t.Before(start) {
			n = i
		}
	}
	return n
}

func (m *modelMeter) bounds(period int) (start, end time.Time) {
	if len(m.starts) == 0 {
		return start, end
	}
	return m.starts[period], m.starts[period+1]
}

// count takes a measurement, once however often it is sent.
func (m *modelMeter) count(key string, x modelMeasurement) {
	if _, known := m.counted[key]; !known {
		m.counted[key] = x
	}
}

func (m *modelMeter) own(period int) int64 {
	sum := int64(0)
	for _, x := range m.counted {
		if m.at(x.createdAt) == period {
			sum += x.units
		}
	}
	return sum
}

// modelAnswer is what Stigg says of a meter, at the moment it says it.
type modelAnswer struct {
	taken      int // the event
	period     int
	units      int64
	others     int64
	start, end time.Time
}

func (m *modelMeter) answer(period int) modelAnswer {
	start, end := m.bounds(period)
	return modelAnswer{0, period, m.own(period) + m.others[period], m.others[period], start, end}
}

// move ends the period at another time; the periods after it follow the hours again.
func (m *modelMeter) move(period int, end time.Time) {
	last := m.starts[len(m.starts)-1]
	m.starts = append(m.starts[:period+1:period+1], end)
	for t := m.starts[0]; !t.After(last); t = t.Add(time.Hour) {
		if t.After(end) {
			m.starts = append(m.starts, t)
		}
	}
}
