package identity

import (
	"net/http"
	"testing"

	"kowabunga/core/model"
)

// The faults of accounts that clients of API v1 met, by the numbers of the contract's list. Most have
// tests of their own under the numbers of the list of behaviour.
func TestWire(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"A3 nobody promotes himself":                   TestA3NobodyPromotesHimself,
		"A7 links are good once and not empty":         TestA7LinksAreGoodOnce,
		"A8 a logout ends its login and no other":      TestA12OneLogoutLeavesOtherLoginsAlone,
		"A8 deleted and disabled users are nobody":     TestA12LoginsAreRevokedAtOnce,
		"A9 odd headers are refused":                   TestA14OddHeadersAreRefused,
		"A10 keys are found, not tried":                TestA13KeysCostNoSlowHash,
		"A11 a login tells nothing":                    TestA15LoginTellsNothing,
		"A11 a reset tells nothing":                    TestA11ResettingTellsNothing,
		"A15 tokens belong to owners, not to names":    TestA10TokensBelongToTheirOwner,
		"A16 lists show what one may read":             TestA27ListsShowWhatOneMayRead,
		"B25 keys are valid through their last day":    TestB25TokensEndAfterTheirLastDay,
		"C1 keys come by mail or in the answer":        TestC1KeysOfAPIv1AreMailed,
		"C2 no name server is asked about an address":  TestC2OnlyTheFormOfAnAddressCounts,
		"B20 users, teams, agents and tokens can go":   TestB19WhatNobodyNeedsCanGo,
		"B12 addresses of users are checked on update": TestA11AddressesAreUniqueAndWellFormed,
	} {
		t.Run(name, test)
	}
}

// An agent without a key, a team with users, a user in a team and the key of somebody can be deleted, and
// nothing points to what is gone.
func TestB19WhatNobodyNeedsCanGo(t *testing.T) {
	p := newPlace(t)
	p.must("DELETE", "/agent/"+p.must("POST", "/agent", `{"name":"bare","type":"Kaktus"}`), "")
	eve, key := p.user("eve", model.RoleUser)
	bob, _ := p.user("bob", model.RoleUser)
	team := p.must("POST", "/team", `{"name":"t","users":["`+eve+`","`+bob+`"]}`)
	token, _ := model.One[*model.Token](p.View(), "user", eve)
	p.must("DELETE", "/token/"+string(token.ID), "")
	p.want(401, key, "GET", "/region", "")
	p.must("PATCH", "/user/"+eve+"/token", "")
	who, err := p.Authenticate(&http.Request{Header: http.Header{"X-Api-Key": {p.keys["eve"]}}})
	if err != nil || string(who.User) != eve {
		t.Errorf("the next key: %+v, %v", who, err)
	}
	p.must("DELETE", "/user/"+bob, "")
	if o, _ := model.Find[*model.Team](p.View(), model.ID(team)); len(o.Users) != 1 || string(o.Users[0]) != eve {
		t.Errorf("the team lists %v", o.Users)
	}
	p.must("DELETE", "/team/"+team, "")
	p.must("DELETE", "/user/"+eve, "")
}

// A key that was made to end can be made not to.
func TestB20TheEndOfAKeyCanBeTakenAway(t *testing.T) {
	p := newPlace(t)
	id := p.must("POST", "/user", `{"name":"eve","email":"eve@example.org","role":"user"}`)
	token := p.must("PATCH", "/user/"+id+"/token?expire=true&expiration_date=2030-05-18", "")
	p.must("PUT", "/token/"+token, `{"name":"k","expire":false}`)
	p.clock.Add(int64(400 * 24 * 3600 * 1e9))
	p.want(200, p.keys["eve"], "GET", "/region", "")
}
