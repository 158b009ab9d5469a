namespace Peft.Core.Tests.Training;

public class YoungObjectsTests
{
    [Fact]
    public void Generation_0_is_collected_after_so_many_bytes()
    {
        var young = new YoungObjects();
        young.Collect().ShouldBeFalse();
        var before = GC.CollectionCount(0);
        long allocated = 0;
        while (allocated < 2 * YoungObjects.Limit)
        {
            allocated += new byte[1 << 12].Length;
            young.Collect();
        }
        GC.CollectionCount(0).ShouldBeGreaterThan(before);   // by this call, or by .NET before
        young.Collect().ShouldBeFalse();
    }
}
