using System.Text;
using Peft.Tokenizers.Tests.Limits;

namespace Peft.Hub.Tests;

/// <summary>Thousands of changed listings: no exception but the library's own, not more than 5 seconds, not more than a gigabyte (<see cref="Cost"/>).</summary>
public sealed class FuzzTests
{
    [Fact]
    public void Listings_of_the_hub_and_of_the_cache()
    {
        var mutations = new Mutations(7);
        var hub = new FakeHub();
        var answer = hub.Listing().ToJsonString();
        var kept = RepoListing.Parse("org/tiny", Encoding.UTF8.GetBytes(answer)).Keep()!;
        RepoListing.ParseKept(FakeHub.Commit, Encoding.UTF8.GetBytes(kept)).ShouldNotBeNull();
        var failed = Cost.Refused(3000, () =>
        {
            var bad = mutations.Json(answer);
            return (bad, () => RepoListing.Parse("org/tiny", Encoding.UTF8.GetBytes(bad)).Keep());
        });
        failed.ShouldBeInRange(300, 2900);
        Cost.Refused(3000, () =>
        {
            var bad = mutations.Json(kept);
            return (bad, () => RepoListing.ParseKept(FakeHub.Commit, Encoding.UTF8.GetBytes(bad)));
        });
    }
}
