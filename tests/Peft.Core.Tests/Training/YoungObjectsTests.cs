namespace Peft.Core.Tests.Training;

public class YoungObjectsTests
{
    [Fact]
    public void A_collection_is_due_so_many_bytes_after_the_last_one()
    {
        var (young, start, count) = (new YoungObjects(), GC.GetTotalAllocatedBytes() + YoungObjects.Limit, 1_000_000);
        young.IsDue(start, count).ShouldBeFalse();   // a new collection
        young.IsDue(start + YoungObjects.Limit - 1, count).ShouldBeFalse();
        young.IsDue(start + YoungObjects.Limit, count).ShouldBeTrue();
        young.IsDue(start + 2 * YoungObjects.Limit - 1, count + 1).ShouldBeFalse();   // the one that was due
        young.IsDue(start + 2 * YoungObjects.Limit, count + 3).ShouldBeFalse();   // .NET has collected by itself
        young.IsDue(start + 3 * YoungObjects.Limit, count + 3).ShouldBeTrue();
    }

    [Fact]
    public void Generation_0_is_collected_after_so_many_bytes()
    {
        var (young, before) = (new YoungObjects(), GC.CollectionCount(0));
        for (long allocated = 0; allocated < 2 * YoungObjects.Limit; young.Collect()) allocated += new byte[1 << 12].Length;
        GC.CollectionCount(0).ShouldBeGreaterThan(before);
    }
}
