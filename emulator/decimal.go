package emulator

import (
	"encoding/json"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Amounts of money are exact decimals, never binary fractions: 0.1 + 0.2 is 0.3.

// exactly gives the decimal that a person wrote where a float64 was read.
func exactly(f float64) *big.Rat {
	r, _ := new(big.Rat).SetString(strconv.FormatFloat(f, 'f', -1, 64))
	return r
}

func zero() *big.Rat { return new(big.Rat) }

func plus(a, b *big.Rat) *big.Rat  { return new(big.Rat).Add(a, b) }
func minus(a, b *big.Rat) *big.Rat { return new(big.Rat).Sub(a, b) }
func times(a, b *big.Rat) *big.Rat { return new(big.Rat).Mul(a, b) }

// percent gives p hundredths of an amount.
func percent(amount, p *big.Rat) *big.Rat { return times(times(amount, p), big.NewRat(1, 100)) }

// notNegative gives the amount, 0 if it is below.
func notNegative(r *big.Rat) *big.Rat {
	if r.Sign() < 0 {
		return zero()
	}
	return r
}

func lesser(a, b *big.Rat) *big.Rat {
	if a.Cmp(b) < 0 {
		return a
	}
	return b
}

// rounded gives an amount as it can be paid: to the currency's smallest unit, halves
// away from zero.
func rounded(r *big.Rat, currency string) *big.Rat {
	out, _ := new(big.Rat).SetString(r.FloatString(places(currency)))
	return out
}

// places is how many decimals a currency's smallest unit has.
func places(currency string) int {
	if slices.Contains([]string{"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"}, currency) {
		return 0
	}
	return 2
}

// shownDecimal writes an amount as a JSON number without zeros at its end.
func shownDecimal(r *big.Rat) json.Number {
	s := r.FloatString(12)
	s = strings.TrimRight(s, "0")
	return json.Number(strings.TrimSuffix(s, "."))
}

func money(r *big.Rat, currency string) obj {
	return obj{"amount": shownDecimal(r), "currency": currency}
}

// share gives which part of the time from start to end is left at t.
func share(start, end, t time.Time) *big.Rat {
	whole, left := end.Sub(start).Milliseconds(), end.Sub(t).Milliseconds()
	if whole <= 0 {
		return zero()
	}
	return big.NewRat(max(0, min(left, whole)), whole)
}
