// Package drill is a test only: a gated server and an emulated Stigg as processes of
// their own, under load; the server is killed again and again while Stigg's answers
// break in every way. In the end Stigg's count equals the requests answered with
// success, to the unit.
//
//	go test ./drill                              50 kills
//	go test ./drill -args -kills 2000 -seed 7    more, repeatably chosen
package drill
