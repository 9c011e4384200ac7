package kahuna

import (
	"testing"

	sdk "github.com/kowabunga-cloud/kowabunga-go"
)

// Terraform and other clients of the official SDK know one URL. That of the Kahuna that only follows is as
// good: what is asked there is done, also after it began to act, and after it stopped acting again.
func TestOfficialSDKAtEitherKahuna(t *testing.T) {
	a := primary(t, t.TempDir())
	b := a.standby(t.TempDir())
	b.key = a.key
	a.within("the standby is in sync", patienceOfPairs, a.inSync)
	region, zone, agent, host := a.host("eu")
	kompute := b.machineBySDK(region, zone, agent, host)

	c, ctx := b.client()
	team := sdk.NewTeam("first", []string{})
	made, _, err := c.TeamAPI.CreateTeam(ctx).Team(*team).Execute()
	if err != nil {
		t.Fatal(err)
	}
	for i, acts := range []*running{b, a} {
		other := map[*running]*running{a: b, b: a}[acts]
		other.within("both have everything", patienceOfPairs, other.inSync)
		other.handTo(acts)
		changed := *made
		changed.Name = []string{"second", "third"}[i]
		if got, _, err := c.TeamAPI.UpdateTeam(ctx, *made.Id).Team(changed).Execute(); err != nil || got.Name != changed.Name {
			t.Errorf("an update: %+v %v", got, err)
		}
		if got, _, err := c.TeamAPI.ReadTeam(ctx, *made.Id).Execute(); err != nil || got.Name != changed.Name {
			t.Errorf("read after it: %+v %v", got, err)
		}
		if ids, _, err := c.KomputeAPI.ListKomputes(ctx).Execute(); err != nil || len(ids) != 1 || ids[0] != *kompute.Id {
			t.Errorf("the machines are %v %v", ids, err)
		}
		if got, _, err := c.KomputeAPI.ReadKompute(ctx, *kompute.Id).Execute(); err != nil || got.Memory != 2<<30 || *got.Ip != *kompute.Ip {
			t.Errorf("the machine is %+v %v", got, err)
		}
	}
	if _, err := c.TeamAPI.DeleteTeam(ctx, *made.Id).Execute(); err != nil {
		t.Error(err)
	}
	if _, answer, err := c.TeamAPI.ReadTeam(ctx, *made.Id).Execute(); err == nil || answer == nil || answer.StatusCode != 404 {
		t.Errorf("a team that was deleted: %v", err)
	}
}
