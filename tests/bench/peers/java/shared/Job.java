/** The words that every job is started with, and what the reference job is about. */
public record Job(String servers, String topic, String alerts, String app, String folder) {
  public static final long WINDOW_MS = 60_000;
  public static final long GRACE_MS = 5_000;
  public static final long LIMIT = 20;
  public static final int COMMIT_MS = 1_000;

  public static Job of(String[] words) {
    if (words.length != 5) {
      throw new IllegalArgumentException("usage: SERVERS TOPIC ALERTS APP FOLDER");
    }
    return new Job(words[0], words[1], words[2], words[3], words[4]);
  }

  public static long windowStart(long ts) {
    return ts - ts % WINDOW_MS;
  }
}
