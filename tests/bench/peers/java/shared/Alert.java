/** What is said about a window when its count reaches the limit. */
public final class Alert {
  public String account;
  public long window_start;
  public long count;
  public long sum;

  public Alert() {}

  public Alert(String account, long windowStart, long count, long sum) {
    this.account = account;
    this.window_start = windowStart;
    this.count = count;
    this.sum = sum;
  }
}
